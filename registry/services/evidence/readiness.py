"""The checkpoint that an archive is made under, once it covers what was committed before the request."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from registry.db.models import AuditEntry, Leaf, Model, SignedCheckpoint, Tree
from registry.db.queries import catalog
from registry.db.session import reading
from registry.domain.errors import NotFound, NotSealed
from registry.services.audit import AUTH, REGISTRY

SECONDS = 5.0  # sealing takes one after the commit
PAUSE_SECONDS = 0.1


def candidates(session: Session, name: str) -> list[str]:
    """Return the ids of the models that have the name now, or had it. Raises NotFound."""
    catalog.require_ever_named(session, name)
    return list(session.scalars(select(Model.id).where(catalog.ever_named(name))))


def await_sealed(name: str, until: datetime | None) -> None:
    """Wait until a published checkpoint covers the entries about *name* that are committed now.

    Raises NotFound, or NotSealed without any checkpoint and when it takes longer than SECONDS.
    """
    end = time.monotonic() + SECONDS
    with reading() as session:
        newest = _newest_entries(session, [f"model:{model}" for model in candidates(session, name)], until)
    while True:
        with reading() as session:
            size = latest(session).size
            covered = select(func.count()).where(Leaf.entry_id.in_(newest), Leaf.position < size)
            if session.scalar(covered) == len(newest):
                return
        if time.monotonic() > end:
            raise NotSealed(
                f"entries about {name!r} are under no published checkpoint yet: the process that seals the log is "
                "behind, or none runs (see audit_log in /readyz); name an earlier time (to) or checkpoint to have what "
                "is sealed"
            )
        time.sleep(PAUSE_SECONDS)


def latest(session: Session) -> SignedCheckpoint:
    """Return the latest published checkpoint of the log. Raises NotSealed without one."""
    checkpoint = session.scalars(_published().order_by(SignedCheckpoint.size.desc()).limit(1)).first()
    if checkpoint is None:
        raise NotSealed(
            "the audit log has no published checkpoint, so nothing can be proved: the process that seals it has no log "
            "key (REGISTRY_LOG_KEY), or has not signed yet"
        )
    return checkpoint


def of_size(session: Session, size: int) -> SignedCheckpoint:
    """Return the published checkpoint of this size. Raises NotFound, or NotSealed without any."""
    newest = latest(session)
    checkpoint = session.scalars(_published().where(SignedCheckpoint.size == size)).first()
    if checkpoint is None:
        raise NotFound(f"no checkpoint of size {size} was published; the latest one has {newest.size} entries")
    return checkpoint


def _published() -> Select[SignedCheckpoint]:
    origin = select(Tree.origin).scalar_subquery()
    return select(SignedCheckpoint).where(SignedCheckpoint.origin == origin, SignedCheckpoint.published_at.is_not(None))


def _newest_entries(session: Session, aggregates: Sequence[str], until: datetime | None) -> list[int]:
    """Return the ids of the last entries of the chains: those before are sealed before them."""
    newest: list[int] = []
    for aggregate in (*aggregates, AUTH, REGISTRY):
        statement = select(AuditEntry.id).where(AuditEntry.aggregate == aggregate)
        if until is not None:
            statement = statement.where(AuditEntry.at < until)
        newest += session.scalars(statement.order_by(AuditEntry.seq.desc()).limit(1)).all()
    return newest
