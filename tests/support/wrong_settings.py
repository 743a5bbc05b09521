"""Variables that settings need, and what is refused of others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from registry.config import Settings, SettingsError

KEY = "a secret key that is long enough to be one"
LOG_KEY = bytes(range(32)).hex()
POSTGRES = "postgresql://registry:hunter2@db.test/registry"


def problems(load: Callable[..., Settings], variables: dict[str, str], **arguments: Any) -> dict[str, str]:
    """Return the problems of these variables, by variable."""
    with pytest.raises(SettingsError) as refused:
        load(variables, **arguments)
    return refused.value.problems
