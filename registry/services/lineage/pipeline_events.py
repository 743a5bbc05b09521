"""Events of pipelines: the edges that they state join the graph. An event that is sent twice changes nothing."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import NamedTuple

from registry.domain import canonical_json, pipeline_events
from registry.domain.access import Actor
from registry.domain.errors import IdempotencyMismatch, Invalid
from registry.domain.pipeline_events import EventPlan, PipelineEvent, RunData
from registry.domain.states import EventEffect
from registry.services import audit, idempotency
from registry.services.idempotency import Claim, Outcome, Repeated
from registry.services.lineage.edge_changes import EdgeChange, PlannedEdge, key_of
from registry.services.unit_of_work import unit_of_work

MOST_KEPT = 65_536  # bytes of the data of a run
MOST_EVENTS = 64  # of a run whose data is kept
KEPT = "its data belongs to the RUNNING and COMPLETE of the run that follow within seven days"
NOT_KEPT = (
    f"its data is not kept, since that of a run is kept of {MOST_EVENTS} events, up to {MOST_KEPT:,} bytes: "
    "a later event that needs it has to name it"
)
OWN_DATA = "the data of earlier events of the run is left out, since the event would state too many edges with it"


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
    earlier = _run_data(event, actor)
    notes = _keep_data(event, earlier, actor=actor) if event.adds_data else []
    plan = _plan(event, earlier.data)
    plan = replace(plan, notes=[*plan.notes, *notes])
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


class _EarlierData(NamedTuple):
    """The data that the earlier events of a run named, and the keys that are used for it or by other requests."""

    data: RunData
    keys: Collection[str]


def _run_keys(run: str) -> Sequence[str]:
    """Return the keys of the data of a run. The rows of keys are sealed, and kept for a week."""
    first = f"openlineage-start-{run}"  # the only one of earlier builds, which kept the data of START alone
    return [first, *(f"{first}-{number}" for number in range(1, MOST_EVENTS))]


def _run_data(event: PipelineEvent, actor: Actor) -> _EarlierData:
    """Return the data of the earlier events of the run, the latest first; none for an event that has no use for it."""
    if event.run is None or not (event.adds_data or event.states_edges):
        return _EarlierData(RunData(), ())
    outcomes = idempotency.outcomes_of(actor, _run_keys(event.run))
    data = RunData()
    for outcome in outcomes.values():
        if "data" in outcome:
            data = pipeline_events.run_data_of(outcome["data"]).after(data)
    return _EarlierData(data, outcomes.keys())


def _keep_data(event: PipelineEvent, earlier: _EarlierData, *, actor: Actor) -> Sequence[str]:
    """Keep the data of an event for the later ones of its run; return a note on it, or on why it is not kept."""
    assert event.run is not None  # noqa: S101 -- only events of a run add data
    notes = [] if event.states_edges else [KEPT]
    for _ in range(MOST_EVENTS):
        unknown = event.data.without(earlier.data)
        if not unknown:
            return notes
        key = next((key for key in _run_keys(event.run) if key not in earlier.keys), None)
        if key is None or len(canonical_json.dumps(unknown.after(earlier.data).document)) > MOST_KEPT:
            return [NOT_KEPT]
        with suppress(Repeated, IdempotencyMismatch):  # another event of the run is sent at the same time
            with unit_of_work(Claim(actor, key, event.digest)) as unit:
                unit.remember(data=unknown.document)
            return notes
        earlier = _run_data(event, actor)
    return [NOT_KEPT]


def _plan(event: PipelineEvent, earlier: RunData) -> EventPlan:
    """Return the edges of an event with the data of the earlier ones of its run, or with its own where those are many.

    Raises Invalid where its own are too many.
    """
    if earlier and event.states_edges:
        try:
            return pipeline_events.plan(event.after(earlier))
        except Invalid:
            own = pipeline_events.plan(event)
            return replace(own, notes=[*own.notes, OWN_DATA])
    return pipeline_events.plan(event)


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
