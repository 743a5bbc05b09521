"""Databases and stores of these tests' own, which need not be waited for."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def tmp_path(quick_path: Path) -> Path:
    """As pytest's, in memory where there is room; it is gone after the test."""
    return quick_path
