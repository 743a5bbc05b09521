"""Verification of one model within a request: its chain, and the rows that responses are read from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.orm import Session

from registry.db import times
from registry.db.models import AuditEntry, Leaf, Model, SignedCheckpoint, Tree, Version
from registry.db.queries import catalog
from registry.db.session import reading
from registry.services.audit.verification import verify_models

MOST_ENTRIES = 10_000
MOST_FILES = 100_000


class VerificationOutcome(StrEnum):
    """Result of a verification; ``too_long``: not started, because it would exceed the time of a request."""

    VERIFIED = "verified"
    DIFFERS = "differs"
    UNDECIDED = "undecided"
    TOO_LONG = "too_long"


@dataclass(frozen=True, slots=True)
class VerifiedChain:
    """The chain of one model: the result of its verification, the hash of its latest entry, and how much is sealed.

    ``published`` is how many of its entries, from the first one, are covered by the latest published checkpoint.
    """

    chain: str
    name: str
    entries: int
    head: str
    published: int
    problems: Sequence[str]
    uncovered: Sequence[str]
    redacted: int
    baseline: str | None


@dataclass(frozen=True, slots=True)
class ModelVerification:
    """The result for the models that have or had a name. ``entries`` and ``files`` are the numbers to read."""

    model: str
    at: datetime
    outcome: VerificationOutcome
    entries: int
    files: int
    chains: Sequence[VerifiedChain]

    @property
    def detail(self) -> str:
        """The result in a sentence, with what to do."""
        match self.outcome:
            case VerificationOutcome.VERIFIED:
                return f"the history of {self.model!r} is unbroken, and what the registry stores agrees with it"
            case VerificationOutcome.DIFFERS:
                return "something differs from the log; on the server, run: registry audit verify --local"
            case VerificationOutcome.UNDECIDED:
                return (
                    "nothing differs, and entries of another release or key lack what is needed to decide; on the "
                    "server, run: registry audit verify --local"
                )
            case VerificationOutcome.TOO_LONG:
                return (
                    f"{self.entries} entries and {self.files} files are too many to verify within a request (at most "
                    f"{MOST_ENTRIES} and {MOST_FILES}); run: registry audit verify --answers, with --model"
                )


def verify_model(name: str) -> ModelVerification:
    """Verify the chains of the models that have or had this name, and compare their rows with the replayed log.

    Reads one snapshot. Does not read the checkpoints of all chains and the recorded repairs of files, which
    :func:`verify` does. Raises NotFound.
    """
    with reading(snapshot=True) as session:
        catalog.require_ever_named(session, name)
        at, named = times.now(), catalog.ever_named(name)
        entries = session.scalars(select(func.coalesce(func.sum(Model.audit_seq), 0)).where(named)).one()
        files = select(func.coalesce(func.sum(Version.file_count), 0)).join(Model, Model.id == Version.model_id)
        sizes = int(entries), int(session.scalars(files.where(named)).one())
        if sizes[0] > MOST_ENTRIES or sizes[1] > MOST_FILES:
            return ModelVerification(name, at, VerificationOutcome.TOO_LONG, *sizes, [])
        heads = {f"model:{row.id}": row for row in session.execute(select(Model.id, Model.audit_head).where(named))}
        chains = [
            VerifiedChain(
                chain=report.aggregate,
                name=report.label,
                entries=report.entries,
                head=heads[report.aggregate].audit_head,
                published=_published(session, AuditEntry.model_id == heads[report.aggregate].id),
                problems=report.problems,
                uncovered=report.uncovered,
                redacted=report.redacted,
                baseline=report.baseline,
            )
            for report in verify_models(session, name)
        ]
        return ModelVerification(name, at, _judge(chains), *sizes, chains)


def _judge(chains: Sequence[VerifiedChain]) -> VerificationOutcome:
    if any(chain.problems for chain in chains):
        return VerificationOutcome.DIFFERS
    return VerificationOutcome.UNDECIDED if any(chain.uncovered for chain in chains) else VerificationOutcome.VERIFIED


def _published(session: Session, own: ColumnElement[bool]) -> int:
    """Return the number of the last of a model's *own* entries covered by the latest published checkpoint, or 0."""
    size = (
        select(func.max(SignedCheckpoint.size))
        .join(Tree, and_(Tree.origin == SignedCheckpoint.origin, SignedCheckpoint.published_at.is_not(None)))
        .scalar_subquery()
    )
    covered = select(AuditEntry.seq).join(Leaf, Leaf.entry_id == AuditEntry.id).where(own, Leaf.position < size)
    return session.scalars(covered.order_by(AuditEntry.id.desc()).limit(1)).first() or 0
