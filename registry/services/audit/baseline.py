"""Baselines: entries that record what earlier releases left out, so that verification covers it from then on.

A baseline records the rows as they are; it proves nothing of what was done to them before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from registry.db.base import Chained
from registry.db.models import Account, Blob, BlobFormat, Model, Token
from registry.db.session import transaction
from registry.domain import clock, fact_digests
from registry.domain.access import SYSTEM
from registry.domain.audit import AuditEntryDraft
from registry.domain.replay.entry import BASELINE
from registry.services.audit import row_seals
from registry.services.audit.recording import AUTH, REGISTRY, begin, lock_chain, record
from registry.services.audit.verification import STORAGE, ChainReport, verify, verify_locked

VERSIONS = 200  # in one entry
BLOBS = 1000  # in memory at once


def record_baseline(*, accept_unsealed: bool = False) -> Iterator[ChainReport]:
    """Record a baseline in each chain that has something uncovered and no problem; returns what it found of them.

    With *accept_unsealed* also in chains whose only problem are entries without this service's seal.
    """
    reports = [report for report in verify() if _may(report, accept_unsealed)]
    for report in reports:
        with transaction() as session:
            _record_if_verified(session, report.aggregate, accept_unsealed)
        yield report


def _may(report: ChainReport, accept_unsealed: bool) -> bool:
    if report.problems:
        return accept_unsealed and list(report.problems) == [report.intruder]
    return bool(report.uncovered)


def _record_if_verified(session: Session, aggregate: str, accept_unsealed: bool) -> None:
    """Verify the chain again under its lock, then record what it lacks."""
    chain = _lock_chain(session, aggregate)
    report = verify_locked(session, chain)
    if not _may(report, accept_unsealed):
        return
    if aggregate == STORAGE:
        _seal_blobs(session)
        _forget_formats(session)
    for draft in _drafts(session, chain, report):
        record(session, chain, begin(chain), draft, actor=SYSTEM)


def _seal_blobs(session: Session) -> None:
    """Seal the blobs that have no seal of this service, as they are."""
    last = ""
    while rows := session.scalars(select(Blob).where(Blob.sha256 > last).order_by(Blob.sha256).limit(BLOBS)).all():
        for blob in rows:
            last = blob.sha256
            if not row_seals.is_ours(blob.seal):
                blob.seal = row_seals.of_blob(blob.sha256, blob.size, blob.key, blob.etag)
        session.flush()
        for blob in rows:
            session.expunge(blob)


def _forget_formats(session: Session) -> None:
    """Delete the formats that have no seal of this service: workers recognise them again from the bytes."""
    unsealed = [
        sha256
        for sha256, seal in session.execute(select(BlobFormat.sha256, BlobFormat.seal).order_by(BlobFormat.sha256))
        if not row_seals.is_ours(seal)
    ]
    for first in range(0, len(unsealed), BLOBS):
        some = unsealed[first : first + BLOBS]
        session.execute(update(Blob).where(Blob.sha256.in_(some)).values(recognizer=0))
        session.execute(delete(BlobFormat).where(BlobFormat.sha256.in_(some)))


def _lock_chain(session: Session, aggregate: str) -> Chained:
    if not aggregate.startswith("model:"):
        return lock_chain(session, aggregate)
    one = select(Model).where(Model.id == aggregate.removeprefix("model:"))
    return session.scalars(one.with_for_update().execution_options(populate_existing=True)).one()


def _drafts(session: Session, chain: Chained, report: ChainReport) -> Iterator[AuditEntryDraft]:
    comparison = report.comparison
    if isinstance(chain, Model):
        rest: dict[str, Any] = {"next_number": chain.next_number}
        rest |= {"origins": {str(row): origin for row, origin in comparison.origins.items()}}
        for some in _pieces(sorted(comparison.recorded)):
            versions = {str(number): comparison.recorded[number] for number in some}
            yield AuditEntryDraft(BASELINE, {"model": chain.name}, facts={"versions": versions} | rest)
        if not comparison.recorded:
            yield AuditEntryDraft(BASELINE, {"model": chain.name}, facts=rest)
    elif report.aggregate == AUTH:
        for names in [*_pieces(comparison.lacking)] or [[]]:
            yield _of_access(session, [str(name) for name in names])
    elif report.aggregate == REGISTRY:
        until = session.scalar(row_seals.UNSEALED_UNTIL)
        yield AuditEntryDraft(BASELINE, {}, facts={"unsealed_until": until and clock.wire(until)})
    else:
        yield AuditEntryDraft(BASELINE, {})


def _pieces(items: Sequence[Any]) -> Iterator[list[Any]]:
    rest = iter(items)
    while some := list(islice(rest, VERSIONS)):
        yield some


def _of_access(session: Session, lacking: Sequence[str]) -> AuditEntryDraft:
    tokens: Mapping[str, str] = {
        token.id: fact_digests.token(token.hash, token.name)
        for token in session.scalars(select(Token).where(Token.id.in_([name for name in lacking if len(name) == 12])))
    }
    accounts = session.scalars(select(Account).where(Account.id.in_([name for name in lacking if len(name) == 36])))
    named = {account.id: account.name for account in accounts}
    return AuditEntryDraft(
        BASELINE,
        {},
        facts={"tokens": tokens, "accounts": sorted(named)},
        texts={account.replace("-", ""): name for account, name in named.items()},
    )
