"""A new epoch after the database was restored from a backup: clients may have seen the state that was lost.

Version numbers, ETags and positions of the audit log that the lost state may have used are skipped. Tokens that were
revoked after the backup are valid in it, so all tokens are revoked unless they are to be kept.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from registry.db import commit_order
from registry.db.models import AliasTenure, AuditEntry, Blob, FormerName, Model, Registry, Tenure, Token, Version
from registry.db.queries.catalog import RENUMBERED
from registry.db.session import reading, transaction
from registry.domain.access import SYSTEM
from registry.domain.audit import AuditEntryDraft
from registry.services import audit, leases
from registry.services.integrity import store_ownership

SKIPPED = 1000  # the default number of version numbers of each model, and of ETags
POSITIONS = 1_000_000  # ids of audit entries and tenures
REASON = "the registry was restored from a backup"
BATCH = 5000


@dataclass(frozen=True, slots=True)
class Epoch:
    """The new epoch, how many models were renumbered and how many tokens revoked."""

    id: str
    models: int
    tokens: int


def begin_epoch(*, keep_tokens: bool, skip: int = SKIPPED, backup: str | None = None) -> Epoch:
    """Begin a new epoch: no number that the lost state of the database may have shown is used again.

    Version numbers and row versions go on *skip* later. Writes one entry for the registry, with the digest of the
    *backup* that was restored, and one for each model and token. Blobs are to be read again, and every grace period
    begins again.
    """
    with transaction() as session:
        row = session.scalars(select(Registry).with_for_update().execution_options(populate_existing=True)).one()
        chain = audit.lock_chain(session, audit.REGISTRY)
        position = _skip_positions(session)
        event = audit.begin(chain)
        before = {"epoch": row.epoch, "first_number": row.first_number}
        row.epoch, row.restored_at, row.restored_from = str(uuid.uuid4()), event.at, backup
        row.first_number += skip
        after = {"epoch": row.epoch, "first_number": row.first_number, "skipped": skip, "tokens_kept": keep_tokens}
        digests = {"backup": f"sha256:{backup}"} if backup else {}
        draft = AuditEntryDraft("registry.restored", {}, before=before, after=after, digests=digests)
        audit.record(session, chain, event, draft, actor=SYSTEM, position=position)
        models = _renumber(session, skip)
        tokens = 0 if keep_tokens else _revoke_tokens(session)
        _skip_row_versions(session, skip)
        session.execute(update(Blob).values(checked_at=None), execution_options={"synchronize_session": False})
        store_ownership.restart_grace(session)
        return Epoch(row.epoch, models, tokens)


def has_tokens() -> bool:
    """Return whether any token is valid now."""
    with reading() as session:
        valid = select(Token.id).where(Token.revoked_at.is_(None), Token.expires_at > leases.now(session))
        return session.scalars(valid.limit(1)).first() is not None


def _skip_positions(session: Session) -> int:
    """Leave out ids that the lost state may have used; return the id of the next audit entry."""
    position = (session.scalar(select(func.max(AuditEntry.id))) or 0) + POSITIONS
    commit_order.skip(session)
    if session.get_bind().dialect.name == "postgresql":
        session.execute(
            text("SELECT setval(quote_ident(sequencename)::regclass, coalesce(last_value, 1) + :skipped) "
                 "FROM pg_sequences WHERE schemaname = current_schema()"), {"skipped": POSITIONS})  # fmt: skip
        return int(session.scalars(text("SELECT nextval(pg_get_serial_sequence('audit_entries', 'id'))")).one())
    session.execute(text("PRAGMA defer_foreign_keys = ON"))
    for table in (Tenure, AliasTenure):  # SQLite counts from the highest id that there is
        _move_last(session, table)
    return position


def _move_last(session: Session, table: type[Tenure] | type[AliasTenure]) -> None:
    last = session.scalar(select(func.max(table.id)))
    if last is None:
        return
    unsynchronized = {"synchronize_session": False}
    moved = last + POSITIONS
    session.execute(update(table).where(table.id == last).values(id=moved), execution_options=unsynchronized)
    if table is Tenure:
        origins = update(Tenure).where(Tenure.origin_id == last).values(origin_id=moved)
        session.execute(origins, execution_options=unsynchronized)


def _renumber(session: Session, skip: int) -> int:
    """Number the versions of every model, and of every former name, from *skip* later."""
    names = update(FormerName).values(next_number=FormerName.next_number + skip)
    session.execute(names, execution_options={"synchronize_session": False})
    ids = session.scalars(select(Model.id).order_by(Model.id)).all()
    for model_id in ids:
        model = session.get_one(Model, model_id, with_for_update=True, populate_existing=True)
        event = audit.begin(model)
        before = {"next_number": model.next_number}
        model.next_number += skip
        after = {"next_number": model.next_number}
        draft = AuditEntryDraft(
            RENUMBERED, {"model": model.name}, before=before, after=after, texts=audit.texts(reason=REASON)
        )
        audit.record(session, model, event, draft, actor=SYSTEM)
        session.flush()
        session.expunge(model)
    return len(ids)


def _revoke_tokens(session: Session) -> int:
    chain = audit.lock_chain(session, audit.AUTH)
    valid = select(Token).where(Token.revoked_at.is_(None), Token.expires_at > leases.now(session)).order_by(Token.id)
    tokens = session.scalars(valid.execution_options(populate_existing=True)).all()
    for token in tokens:
        event = audit.begin(chain)
        token.revoked_at = event.at
        draft = AuditEntryDraft("token.revoked", {"token": token.id}, texts=audit.texts(reason=REASON))
        audit.record(session, chain, event, draft, actor=SYSTEM)
    return len(tokens)


def _skip_row_versions(session: Session, skip: int) -> None:
    """Skip row versions, so that no ETag means two states; in batches, because a statement has ten seconds."""
    unsynchronized = {"synchronize_session": False}
    session.execute(update(Model).values(row_version=Model.row_version + skip), execution_options=unsynchronized)
    last = session.scalar(select(func.max(Version.id))) or 0
    for start in range(0, last + 1, BATCH):
        some = update(Version).where(Version.id > start, Version.id <= start + BATCH)
        session.execute(some.values(row_version=Version.row_version + skip), execution_options=unsynchronized)
