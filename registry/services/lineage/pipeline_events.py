"""Events of pipelines: the edges that they state join the graph. An event that is sent twice changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from registry.domain import pipeline_events
from registry.domain.access import Actor
from registry.domain.pipeline_events import EventPlan, PipelineEvent
from registry.domain.states import EventEffect
from registry.services import audit, idempotency
from registry.services.idempotency import Claim, Outcome, Repeated
from registry.services.lineage.edge_changes import EdgeChange, PlannedEdge, key_of
from registry.services.unit_of_work import unit_of_work


@dataclass(frozen=True, slots=True)
class EventResult:
    """What became of an event: the number of its edges and of the new ones, its entry, and what it did not state."""

    effect: EventEffect
    entry: str | None
    edges: int
    added: int
    notes: Sequence[str]


def record_event(event: PipelineEvent, *, actor: Actor, claim: Claim | None = None) -> EventResult:
    """Add the edges that an event states, with one entry; edges that are there stay, retracted ones stay retracted.

    Edges of pipelines may close a cycle. Clients of OpenLineage repeat requests without an Idempotency-Key: the digest
    of the event takes its place. Raises Invalid for an event with too many edges.
    """
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
    return EventResult(**{**outcome, "effect": EventEffect(outcome["effect"])})


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
        unit.remember(
            effect=result.effect.value,
            entry=result.entry,
            edges=result.edges,
            added=result.added,
            notes=[*result.notes],
        )
        return result
