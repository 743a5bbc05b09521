"""Unknown texts of the database as this release and those before it store them, and as the next one does."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import null, update
from sqlalchemy.orm import InstrumentedAttribute

from registry.db.session import transaction
from registry.db.unknown import is_known

# NULL first, so that no run leaves it out: in all other tests unknown texts are as this release stores them.
in_both_forms = pytest.mark.parametrize("form", [None, ""], ids=["NULL", "empty"])


def store_unknown(app: Flask, column: InstrumentedAttribute[Any], form: str | None) -> None:
    """Give the rows with an unknown text in the column another form of it; there must be one."""
    stored = null() if form is None else form
    with app.app_context(), transaction() as session:
        changed = session.execute(update(column.class_).where(~is_known(column)).values({column.key: stored}))
        assert changed.rowcount  # type: ignore[attr-defined]  # the result of an UPDATE has it
