"""Skeletons of names that an earlier release wrote or renamed during an upgrade: fill them in."""

from __future__ import annotations

from typing import Any

from sqlalchemy import or_, select, update

from registry.db.models import Account, FormerName, Model
from registry.db.session import reading, transaction
from registry.domain import confusables

BATCH = 500


def fill() -> int:
    """Fill in one batch of each table; returns how many rows changed. Any number of workers may do it at once."""
    renamed = select(FormerName.model_id)
    return _fill(Model, or_(Model.look.is_(None), Model.id.in_(renamed))) + _fill(Account, Account.look.is_(None))


def _fill(table: type[Model] | type[Account], doubtful: Any) -> int:
    with reading() as session:
        rows = session.execute(select(table.id, table.name, table.look).where(doubtful).limit(BATCH)).all()
    wrong = [(row.id, row.name, row.look) for row in rows if row.look != confusables.look(row.name)]
    for row_id, name, before in wrong:
        unchanged = table.look.is_(None) if before is None else table.look == before
        with transaction() as session:
            found = update(table).where(table.id == row_id, table.name == name, unchanged)
            session.execute(found.values(look=confusables.look(name)), execution_options={"synchronize_session": False})
    return len(wrong)
