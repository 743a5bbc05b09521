"""Compare policies, the models that they guard, and what guarded moves were decided on, with the log."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from itertools import zip_longest
from typing import Any

from sqlalchemy import select

from registry.db.models import PolicyAssignment, StoredPolicy
from registry.domain import clock
from registry.domain.manifest import canonical_digest
from registry.domain.replay.gates import Assigned, Decided
from registry.domain.replay.restorations import Restorations
from registry.services.audit.comparison import Comparison
from registry.services.audit.streams import Cursors


def check_assignments(comparison: Comparison, rows: Iterable[Any], log: Iterable[Assigned]) -> None:
    """Compare the policies that guarded a model, or were the default one, in their order."""
    for row, assigned in zip_longest(rows, log):
        stored = row and Assigned(row.number, row.digest, clock.wire(row.started_at), row.started_entry)
        if stored != assigned:
            comparison.differences.append(f"the policy {_spell_assigned(stored)} should be {_spell_assigned(assigned)}")
            return  # those that follow would differ, too


def check_evaluations(comparison: Comparison, rows: Iterable[Any], log: Mapping[str, Decided]) -> None:
    """Compare the facts and verdicts of guarded moves by their digests."""
    seen = set()
    for row in rows:
        seen.add(row.entry_uid)
        stored = Decided(row.number, row.target, row.policy_digest, _digest(row), clock.wire(row.created_at))
        comparison.check(f"the evaluation of the gates by entry {row.entry_uid}", stored, log.get(row.entry_uid))
        comparison.check(f"the policy of the evaluation {row.entry_uid}", row.assigned_digest, row.policy_digest)
        if row.assigned_to not in {None, row.model_id} or row.version_of != row.model_id:
            comparison.differences.append(
                f"the evaluation {row.entry_uid} is by the policy, or of a version, of another model"
            )
    comparison.differences += [
        f"the evaluation of the gates by entry {uid} is gone" for uid in sorted(log.keys() - seen)
    ]


def check_defaults(cursors: Cursors, comparison: Comparison, log: Restorations) -> None:
    """Compare the default policies, and all documents with their digests."""
    defaults = select(*PolicyAssignment.__table__.columns).where(PolicyAssignment.model_id.is_(None))
    check_assignments(comparison, cursors.rows(defaults.order_by(PolicyAssignment.id)), log.policies)
    _check_documents(cursors, comparison)


def _check_documents(cursors: Cursors, comparison: Comparison) -> None:
    """Require that each document has the digest under which it is stored, and is of the time of an assignment of it."""
    assigned = select(PolicyAssignment.started_at).where(
        PolicyAssignment.digest == StoredPolicy.digest, PolicyAssignment.started_at == StoredPolicy.created_at
    )
    for row in cursors.rows(select(StoredPolicy.digest, StoredPolicy.document, assigned.exists().label("is_assigned"))):
        comparison.check(f"the digest of the policy {row.digest}", _document_digest(row.document), row.digest)
        if not row.is_assigned:
            comparison.differences.append(f"the policy {row.digest} was not set at the time of its document")


def _digest(row: Any) -> str:
    try:
        return canonical_digest({"facts": json.loads(row.facts), "verdicts": json.loads(row.verdicts)})
    except ValueError:
        return "no digest"


def _document_digest(document: str) -> str:
    try:
        return canonical_digest(json.loads(document))
    except ValueError:
        return "no digest"


def _spell_assigned(assigned: Assigned | None) -> str:
    return "none" if assigned is None else f"{assigned.number} ({assigned.digest or 'removed'}, {assigned.entry})"
