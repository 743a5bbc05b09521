"""Evaluations that guarded moves rest on, as they were stored with the moves."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select

from registry.db.base import Rows
from registry.db.fixed_statements import FixedStatement
from registry.db.models import AuditEntry, GateEvaluation, Model, PolicyAssignment, Version
from registry.db.queries import catalog, records
from registry.db.records import Page
from registry.db.session import reading
from registry.domain import clock
from registry.domain.errors import NotFound

_PAST_FIELDS = (
    GateEvaluation.entry_uid,
    Model.name.label("model"),
    Version.number.label("version"),
    GateEvaluation.target,
    GateEvaluation.created_at,
    GateEvaluation.policy_digest,
    PolicyAssignment.number.label("policy_number"),
    PolicyAssignment.model_id.label("policy_model"),
)
_LISTED: Rows = (
    select(*_PAST_FIELDS)
    .join(Version, Version.id == GateEvaluation.version_id)
    .join(Model, Model.id == GateEvaluation.model_id)
    .join(PolicyAssignment, PolicyAssignment.id == GateEvaluation.assignment_id)
)
_STORED = FixedStatement(
    _LISTED.add_columns(GateEvaluation.facts, GateEvaluation.verdicts, AuditEntry.body)
    .join(AuditEntry, AuditEntry.uid == GateEvaluation.entry_uid)
    .where(GateEvaluation.version_id == bindparam("version"), GateEvaluation.entry_uid == bindparam("entry"))
)


@dataclass(frozen=True, slots=True)
class PastEvaluation:
    """An evaluation by the entry of its move. ``target`` is the stage, or ``@`` and the alias."""

    entry: str
    model: str
    version: int
    target: str
    at: datetime
    policy: str
    number: int
    is_default: bool


@dataclass(frozen=True, slots=True)
class StoredEvaluation:
    """An evaluation with its facts and verdicts; ``digest`` is the one that the entry of the move has of them."""

    move: PastEvaluation
    digest: str
    facts: Mapping[str, Any]
    gates: Sequence[Mapping[str, Any]]


def history(model: str, number: int, *, after: tuple[Any, ...] | None = None, limit: int) -> Page[PastEvaluation]:
    """Return the evaluations that moves of the version rest on, newest first. Raises NotFound."""
    with reading(snapshot=True) as session:
        version = catalog.any_version(session, model, number)
        statement = _LISTED.where(GateEvaluation.version_id == version.id)
        if after is not None:
            statement = statement.where(GateEvaluation.created_at < datetime.fromisoformat(after[0]))
        newest_first = statement.order_by(GateEvaluation.created_at.desc())
        found = records.page(session, newest_first, by=(GateEvaluation.created_at,), limit=limit)
        last = found.next_after and (clock.wire(found.next_after[0]),)
        return Page([_past(row) for row in found.items], last)


def stored(model: str, number: int, entry: str) -> StoredEvaluation:
    """Return the evaluation that a move of the version rests on, by the entry of the move. Raises NotFound."""
    with reading(snapshot=True) as session:
        version = catalog.any_version(session, model, number)
        rows = records.rows(session, _STORED, version=version.id, entry=entry)
    if not rows:
        raise NotFound(f"no move of {model}:{number} with the entry {entry} was guarded by a policy")
    *fields, facts, verdicts, body = rows[0]
    return StoredEvaluation(_past(fields), json.loads(body)["after"]["gates"], json.loads(facts), json.loads(verdicts))


def _past(row: Sequence[Any]) -> PastEvaluation:
    entry, model, version, target, at, policy, number, assigned_to = row
    return PastEvaluation(entry, model, version, target, at, policy, number, assigned_to is None)
