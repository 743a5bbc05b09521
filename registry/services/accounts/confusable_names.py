"""Skeletons of names: fill in those of an earlier release, and find names that it let look like each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select, update

from registry.db.models import Account, FormerName, Model
from registry.db.session import reading, transaction
from registry.domain import confusables
from registry.domain.access import ActorKind
from registry.rules import names
from registry.services.accounts import accounts

BATCH = 500


def fill() -> int:
    """Fill in one batch of each table; returns how many rows changed. Any number of workers may do it at once."""
    renamed = select(FormerName.model_id)
    return _fill_outlines(Model, or_(Model.look.is_(None), Model.id.in_(renamed))) + _fill_outlines(
        Account, Account.look.is_(None)
    )


def _fill_outlines(table: type[Model] | type[Account], doubtful: Any) -> int:
    with reading() as session:
        rows = session.execute(select(table.id, table.name, table.look).where(doubtful).limit(BATCH)).all()
    wrong = [(row.id, row.name, row.look) for row in rows if row.look != confusables.look(row.name)]
    for row_id, name, before in wrong:
        # Compare and set: another worker or a rename may have changed the row since it was read.
        unchanged = table.look.is_(None) if before is None else table.look == before
        with transaction() as session:
            statement = update(table).where(table.id == row_id, table.name == name, unchanged)
            session.execute(
                statement.values(look=confusables.look(name)), execution_options={"synchronize_session": False}
            )
    return len(wrong)


def clashing_models() -> list[str]:
    """Describe live models whose names look like each other but are written in several scripts."""
    return [
        _spelled(alike)
        for alike in _alike(Model, Model.deleted_at.is_(None))
        if any(confusables.mix_scripts(alike[0], other) for other in alike[1:])
    ]


def clashing_accounts() -> list[str]:
    """Describe accounts whose names look like each other, or like a name that speaks for the registry."""
    own = {confusables.look(name): name for name in sorted(accounts.OFFICIAL | accounts.RESERVED)}
    with reading() as session:
        users = select(Account.name).where(Account.look.in_(own), Account.kind == ActorKind.USER)
        account_names = session.scalars(users.order_by(Account.name)).all()
    likes = [(name, own[confusables.look(name)]) for name in account_names]
    impostors = [
        f"{_spelled([name])} like the name {other!r}"
        for name, other in likes
        if other in accounts.RESERVED or names.name_key(name) != other
    ]
    return [_spelled(alike) for alike in _alike(Account, Account.kind == ActorKind.USER)] + impostors


def _alike(table: type[Model] | type[Account], considered: ColumnElement[bool]) -> list[list[str]]:
    """Return the names that share a skeleton, by skeleton; a worker has filled in those of earlier releases."""
    shared = select(table.look).where(considered, table.look.is_not(None)).group_by(table.look)
    shared = shared.having(func.count() > 1)
    statement = select(table.look, table.name).where(considered, table.look.in_(shared))
    names_by_skeleton: dict[str | None, list[str]] = {}
    with reading() as session:
        for look, name in session.execute(statement.order_by(table.look, table.name)):
            names_by_skeleton.setdefault(look, []).append(name)
    return list(names_by_skeleton.values())


def _spelled(alike: Sequence[str]) -> str:
    """Spell names with the characters that are no ASCII, which a terminal may show as others."""
    written = confusables.foreign("".join(alike))
    return " and ".join(map(repr, alike)) + (f" ({written})" if written else "")
