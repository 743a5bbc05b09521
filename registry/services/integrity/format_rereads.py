"""Formats that an operator discards, so that workers read the files again: each with an entry in the audit log."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import structlog
from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.orm import Session

from registry.db.models import Blob, BlobFormat
from registry.db.queries import walking
from registry.db.session import reading, transaction
from registry.domain import file_formats as rules
from registry.domain import validation
from registry.domain.access import Actor
from registry.domain.audit import AuditEntryDraft
from registry.domain.errors import NotFound
from registry.rules.file_format_names import UNREADABLE
from registry.services import audit
from registry.services.audit import row_seals
from registry.services.integrity import damage, file_formats

log = structlog.get_logger(__name__)
DISCARDED = "blob.format_discarded"
_PAGE = 5_000
_SHOWN = select(BlobFormat.sha256, *file_formats.COLUMNS).order_by(BlobFormat.sha256)


def discard(
    digests: Collection[str] = (), *, unreadable: bool = False, unsealed: bool = False, reason: str, actor: Actor
) -> Sequence[str]:
    """Discard the formats of files, and return the digests of these files: workers read them again.

    They are those with the *digests* (SHA-256 in hex), with *unreadable* all of that format, and with *unsealed* those
    whose format is shown as unknown since its seal is not of this service. Raises NotFound for a digest without a
    format, and Invalid without a reason.
    """
    validation.require_reason(reason)
    with reading() as session:
        named = [row.sha256 for some in walking.chunks(sorted(digests)) for row in _formats_of(session, some)]
        if missing := sorted(set(digests) - set(named)):
            raise NotFound(f"no format is recorded of a file with the digest {missing[0]}")
        chosen = [row.sha256 for row in _all(session) if _is_chosen(row, unreadable, unsealed)]
    found = sorted({*named, *(chosen if unreadable or unsealed else ())})
    discarded = [sha256 for some in walking.chunks(found) for sha256 in _discard_some(some, reason, actor)]
    if discarded:
        log.warning("formats_discarded", files=len(discarded), reason=reason)
    return discarded


def _formats_of(session: Session, digests: Sequence[str]) -> Sequence[Any]:
    return session.execute(_SHOWN.where(BlobFormat.sha256.in_(digests))).all()


def _all(session: Session) -> Iterator[Any]:
    last, page = "", _SHOWN.where(BlobFormat.sha256 > bindparam("last")).limit(_PAGE)
    while rows := session.execute(page, {"last": last}).all():
        yield from rows
        last = rows[-1].sha256


def _is_chosen(row: Any, unreadable: bool, unsealed: bool) -> bool:
    if row.format is None or row.recognizer < rules.VERSION:
        return False  # a worker reads it without an order
    leaf = row_seals.format_leaf(row.sha256, row.recognizer, row.format, row.executes_code, row.detail)
    return (unreadable and row.format == UNREADABLE) or (unsealed and not row_seals.is_true(row.seal, leaf))


def _discard_some(digests: Sequence[str], reason: str, actor: Actor) -> Sequence[str]:
    with transaction() as session:
        # Blobs are locked in the order of their digests everywhere, and before the chain.
        locked = select(Blob).where(Blob.sha256.in_(digests)).order_by(Blob.sha256).with_for_update()
        blobs = {blob.sha256: blob for blob in session.scalars(locked)}
        rows = _formats_of(session, [*blobs])
        chain = audit.lock_chain(session, damage.STORAGE)
        for row in rows:
            draft = AuditEntryDraft(
                DISCARDED,
                {},
                before={"format": row.format, "executes_code": row.executes_code},
                after={"versions": damage.users(session, blobs[row.sha256])},
                digests={"blob": f"sha256:{row.sha256}"},
                texts=audit.texts(reason=reason),
            )
            audit.record(session, chain, audit.begin(chain), draft, actor=actor)
        discarded = [row.sha256 for row in rows]
        session.execute(delete(BlobFormat).where(BlobFormat.sha256.in_(discarded)))
        session.execute(update(Blob).where(Blob.sha256.in_(discarded)).values(recognizer=0))
        return discarded
