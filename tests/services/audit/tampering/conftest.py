"""An installation on each of the databases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.services.audit.tampering.history import Installation
from tests.support.databases import Database


@pytest.fixture
def installation(database: Database, make_settings: Any, tmp_path: Path) -> Iterator[Installation]:
    installation = Installation.at(make_settings(database.url), tmp_path)
    yield installation
    with installation.context():
        pass  # so that no connection stays open
