"""The stores under test, and when what is signed for them expires."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.support.backends import backend

__all__ = ["backend"]


@pytest.fixture
def later() -> datetime:
    """A time after the end of the test that takes it."""
    return datetime.now(UTC) + timedelta(minutes=5)
