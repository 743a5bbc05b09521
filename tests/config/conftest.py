"""Settings that are loaded with a test's variables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from registry.config import Settings


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settings]:
    """Load with these variables and no others."""

    def load(variables: dict[str, str] | None = None, **arguments: Any) -> Settings:
        for name, value in (variables or {}).items():
            monkeypatch.setenv(name, value)
        if "REGISTRY_DATA_DIR" not in (variables or {}):
            arguments.setdefault("data_dir", tmp_path / "data")
        return Settings.load(**arguments)

    return load
