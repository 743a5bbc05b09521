"""Verdicts of a policy on a move: decided under the lock of the model, recorded with the move, or only shown."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from registry.db import times
from registry.db.batch import Query
from registry.db.bulk_insert import insert_rows
from registry.db.models import GateEvaluation, Model, Version
from registry.db.queries import catalog, holds
from registry.db.session import reading
from registry.db.write_session import writing
from registry.domain import canonical_json
from registry.domain.errors import GatesUnmet
from registry.domain.holds import HoldNotice
from registry.domain.stages import Stage
from registry.rules.policies import evaluation
from registry.rules.policies.facts import GateFacts
from registry.rules.policies.verdicts import GateVerdict, Verdicts
from registry.services import audit
from registry.services.gates import assignments, documents, gathering
from registry.telemetry.meters import meters

GUARDED = frozenset({Stage.STAGING, Stage.PRODUCTION})
NAMED = 3  # of the unmet gates, in the sentence of a refusal


@dataclass(frozen=True)
class PolicyEvaluation:
    """The verdicts of the policy with the number ``number`` (of the model, or of the default) and what they rest on.

    ``target`` is the stage, or ``@`` and the alias.
    """

    assignment: int
    number: int
    is_default: bool
    target: str
    facts: GateFacts
    verdicts: Verdicts

    @property
    def policy(self) -> str:
        """The digest of the policy."""
        return self.verdicts.policy

    @property
    def passed(self) -> bool:
        """Whether every rule passed."""
        return self.verdicts.passed

    @property
    def gates(self) -> Sequence[Mapping[str, Any]]:
        """The verdicts as JSON."""
        return self.verdicts.to_document()

    @functools.cached_property
    def texts(self) -> tuple[str, str]:
        """Facts and verdicts in RFC 8785 form."""
        facts, gates = self.facts.to_document(), self.gates
        return canonical_json.dumps(facts).decode(), canonical_json.dumps(gates).decode()

    @property
    def recorded(self) -> Mapping[str, str]:
        """What ``after`` of the move's entry has: the digests of the policy, and of ``{facts, verdicts}``."""
        facts, gates = self.texts
        whole = f'{{"facts":{facts},"verdicts":{gates}}}'  # RFC 8785 form again: the keys are sorted
        return {"policy": self.policy, "gates": f"sha256:{hashlib.sha256(whole.encode()).hexdigest()}"}


@dataclass(frozen=True, slots=True)
class StageGates:
    """The gates of a stage for a version; ``evaluation`` is None where no policy guards the model.

    ``holds`` are the active ones, each of which keeps the version out.
    """

    model: str
    number: int
    stage: Stage
    at: datetime
    holds: Sequence[HoldNotice]
    evaluation: PolicyEvaluation | None

    @property
    def passed(self) -> bool:
        """Whether every rule passed, if there are any, and no hold keeps the version out."""
        return not self.holds and (self.evaluation is None or self.evaluation.passed)


def decide(
    session: Session, model: Model, version: Version, stage: Stage, current: Query, *, target: str | None = None
) -> PolicyEvaluation | None:
    """Return the evaluation of a move under the rules of *stage*, for :func:`keep`; None where no policy guards it.

    *current* is the query of ``assignments.ask_for_current``, which was executed after the lock of the model.
    *target* names an alias that moves under these rules, as ``@champion``. Raises GatesUnmet with every verdict.
    """
    found = evaluate(session, model, version, stage, current, target=target)
    if found is None:
        return None
    meters().gate_evaluations.labels("met" if found.passed else "unmet").inc()
    if not found.passed:
        for gate in found.verdicts.failed:
            meters().unmet_gates.labels(gate.kind).inc()
        raise refusal(model, version, found)
    return found


def evaluate(
    session: Session, model: Model, version: Version, stage: Stage, current: Query, *, target: str | None = None
) -> PolicyEvaluation | None:
    """Return the evaluation as :func:`decide` does, also where the move is refused."""
    if stage not in GUARDED or not current.rows:
        return None
    assigned = current.rows[0]
    policy = documents.stored(session, assigned.digest)
    facts = gathering.gather(session, model, version, target or stage.value, policy.rules(stage.value))
    verdicts = evaluation.evaluate(policy, stage.value, facts)
    return PolicyEvaluation(assigned.id, assigned.number, assigned.model_id is None, facts.target, facts, verdicts)


def rehearse(session: Session, model: Model, version: Version, stage: Stage) -> PolicyEvaluation | None:
    """Return the evaluation of a move as it would be now, also where it would be refused; for a session that reads."""
    current = assignments.ask_for_current(model.name)
    if stage in GUARDED:
        writing(session).ask(current)
    return evaluate(session, model, version, stage, current)


def show(model: str, number: int, stage: Stage) -> StageGates:
    """Return what policy and holds say of the version under the rules of *stage*. Raises NotFound."""
    with reading(snapshot=True) as session:
        model_row = catalog.model(session, model)
        version = catalog.version(session, model_row, number)
        current, listings = assignments.ask_for_current(model_row.name), holds.ask(model_row.name, version.number)
        writing(session).ask(current, listings)
        found = evaluate(session, model_row, version, stage, current)
        held = holds.notices(session, listings.rows).get(version.id, ()) if listings.rows else ()
        return StageGates(model_row.name, version.number, stage, times.now(), held, found)


def keep(session: Session, found: PolicyEvaluation, model: Model, version: Version, event: audit.Event) -> None:
    """Store what a move was decided on, under the entry of the move; that has ``found.recorded``."""
    row = {
        "entry_uid": event.uid,
        "model_id": model.id,
        "version_id": version.id,
        "target": found.target,
        "policy_digest": found.policy,
        "assignment_id": found.assignment,
        "facts": found.texts[0],
        "verdicts": found.texts[1],
        "created_at": event.at,
    }
    insert_rows(session, GateEvaluation, [row])


def refusal(model: Model, version: Version, found: PolicyEvaluation) -> GatesUnmet:
    """Return the error for a move that is not allowed; its sentence names the first unmet gates."""
    failed, reference = found.verdicts.failed, f"{model.name}:{version.number}"
    named = "; ".join(map(_gate_sentence, failed[:NAMED]))
    more = f"; and {len(failed) - NAMED} more" if len(failed) > NAMED else ""
    verb = "is" if len(failed) == 1 else "are"
    where = found.target if not found.target.startswith("@") else f"the alias {found.target[1:]}"
    detail = (
        f"{reference} cannot go to {where}: {len(failed)} of {len(found.verdicts.gates)} gates {verb} not met: "
        f"{named}{more}"
    )
    return GatesUnmet(detail, gates=found.gates, policy=found.policy)


def _gate_sentence(gate: GateVerdict) -> str:
    remedy = f" ({gate.remedy})" if gate.remedy else ""
    return f"{gate.description}: {gate.reason}{remedy}"
