"""Events of pipelines: the edges that they state join the graph. An event that is sent twice changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass

from registry.domain import canonical_json, pipeline_events
from registry.domain.access import Actor
from registry.domain.errors import IdempotencyMismatch
from registry.domain.pipeline_events import EventPlan, PipelineEvent
from registry.domain.states import EventEffect
from registry.services import audit, idempotency
from registry.services.idempotency import Claim, Outcome, Repeated
from registry.services.lineage.edge_changes import EdgeChange, PlannedEdge, key_of
from registry.services.unit_of_work import unit_of_work

MOST_KEPT = 65_536  # bytes of the data of a run
KEPT = "its data belongs to the RUNNING and COMPLETE of the run that follow within seven days"
EARLIER = "the data of an earlier START of the run is kept"
KEY_USED = "another request used the idempotency key of this START: name its data again in RUNNING or COMPLETE"
NOT_KEPT = "it names too much data to be kept: RUNNING or COMPLETE has to name it again"


@dataclass(frozen=True, slots=True)
class EventResult:
    """What became of an event: the number of its edges and of the new ones, its entry, and what it did not state."""

    effect: EventEffect
    entry: str | None
    edges: int
    added: int
    notes: Sequence[str]

    @property
    def outcome(self) -> Outcome:
        """What a repetition of the event is answered from."""
        return {**asdict(self), "effect": self.effect.value, "notes": [*self.notes]}


def record_event(event: PipelineEvent, *, actor: Actor, claim: Claim | None = None) -> EventResult:
    """Add the edges that an event states, with one entry; edges that are there stay, retracted ones stay retracted.

    Edges of pipelines may close a cycle. Clients of OpenLineage repeat requests without an Idempotency-Key: the digest
    of the event takes its place. Raises Invalid for an event with too many edges.
    """
    if event.begins_run:
        return _keep_start(event, actor=actor)
    if event.continues_run and "data" in (start := idempotency.outcome_of(_start_claim(event, actor)) or {}):
        event = event.after(pipeline_events.run_data_of(start["data"]))
    plan = pipeline_events.plan(event)
    if not plan.edges:
        return EventResult(EventEffect.IGNORED, None, 0, 0, plan.notes)
    if claim is not None:
        return _record(event, plan, actor=actor, claim=claim)
    own = Claim(actor, f"openlineage-{event.digest}", event.digest)
    try:
        with idempotency.once(own):
            return _record(event, plan, actor=actor, claim=own)
    except Repeated as repeated:
        return recall(repeated.outcome)


def recall(outcome: Outcome) -> EventResult:
    """Return what became of an event that was sent before."""
    facts = {name: outcome[name] for name in ("entry", "edges", "added", "notes")}
    return EventResult(EventEffect(outcome["effect"]), **facts)


def _start_claim(event: PipelineEvent, actor: Actor) -> Claim:
    """Return the claim of the START of a run. Its row, which is sealed and kept for a week, has the data of the run."""
    return Claim(actor, f"openlineage-start-{event.run}", event.digest)


def _keep_start(event: PipelineEvent, *, actor: Actor) -> EventResult:
    """Keep the data of the START of a run for the events that follow; of several, that of the first."""
    claim, data = _start_claim(event, actor), event.data.document
    if len(canonical_json.dumps(data)) > MOST_KEPT:
        return _start_result(event, NOT_KEPT)
    result = _start_result(event, KEPT)
    if earlier := idempotency.outcome_of(claim):
        if "data" not in earlier:
            return _start_result(event, KEY_USED)
        return result if earlier["data"] == data else _start_result(event, EARLIER)
    with suppress(Repeated, IdempotencyMismatch), unit_of_work(claim) as unit:  # one may be sent at the same time
        unit.remember(**result.outcome, data=data)
    return result


def _start_result(event: PipelineEvent, note: str) -> EventResult:
    return EventResult(EventEffect.IGNORED, None, 0, 0, [*pipeline_events.plan(event).notes, note])


def _record(event: PipelineEvent, plan: EventPlan, *, actor: Actor, claim: Claim) -> EventResult:
    with unit_of_work(claim) as unit:
        planned = {PlannedEdge(edge.kind, "", key_of(edge.source), key_of(edge.target)): None for edge in plan.edges}
        nodes = [end for edge in plan.edges for end in (edge.source, edge.target)]
        chain = audit.lock_chain(unit.session, audit.REGISTRY)
        change = EdgeChange(unit.session, chain, [*planned], nodes, actor=actor, event=event.kept_text)
        seen = change.observe()
        result = EventResult(
            EventEffect.RECORDED if seen.added else EventEffect.KNOWN,
            seen.entry,
            len(planned),
            seen.added,
            [*plan.notes, *(f"edge {edge} was retracted and stays so" for edge in seen.retracted)],
        )
        unit.remember(**result.outcome)
        return result
