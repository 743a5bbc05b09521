"""Refusals of moves that a hold forbids."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy.orm import Session

from registry.db.batch import Query
from registry.db.models import Model, Version
from registry.db.queries import governance, holds
from registry.db.write_session import writing
from registry.domain.errors import Held
from registry.domain.holds import HoldNotice


def of(session: Session, version_ids: Collection[int]) -> Mapping[int, Sequence[HoldNotice]]:
    """Return the active holds on each of the versions, by its id; those without any are left out."""
    return holds.of(session, version_ids)


def ask(model: str, number: int) -> Query:
    """Return the query of :func:`refuse_asked`, to be executed with the lock of the live model.

    ``governance.share_rules`` goes before it.
    """
    return holds.ask(model, number)


def refuse_asked(session: Session, asked: Query, model: Model, version: Version, target: str) -> None:
    """Raise Held as :func:`refuse` does, by the query of :func:`ask`; without a hold no statement is executed.

    A query that was not executed refuses nothing.
    """
    if listings := asked.rows:
        refuse_noticed(holds.notices(session, listings).get(version.id, ()), model.name, version.number, target)


def refuse(session: Session, model: Model, version: Version, target: str) -> None:
    """Raise Held when an active hold concerns the version, which is to get *target*: a stage, or an alias.

    For a transaction that writes: until its end, no hold is placed on data or a model.
    """
    writing(session).ask(*governance.share_rules(session))
    refuse_noticed(of(session, [version.id]).get(version.id, ()), model.name, version.number, target)


def refuse_noticed(held: Sequence[HoldNotice], model: str, number: int, target: str) -> None:
    """Raise Held when there is an active hold on the version, which is to get *target*."""
    if held:
        commands = " and ".join(f"registry hold release {hold.id}" for hold in held)
        raise Held(
            f"version {number} of {model!r} is held and cannot go to {target}: "
            f"{'; '.join(hold.text for hold in held)}. Once the reason is gone: {commands}",
            holds=[hold.document for hold in held],
        )
