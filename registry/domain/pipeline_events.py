"""Events of pipelines, as OpenLineage has them: which edges of the lineage an event states.

Source: openlineage.io/docs/spec/object-model and run-cycle. Data is known by its place there: a namespace and a name.
The node of a place has no digest, and stands for whatever is there at the time.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, NamedTuple

from registry.domain.errors import Invalid
from registry.domain.lineage import DataJob, Dataset, EdgeKind, Node, dataset_node, job_node
from registry.rules import places

MOST_DATASETS = 1000  # inputs or outputs of an event
MOST_PAIRS = 1000  # of an input and an output
MOST_EDGES = 5000  # of an event; without aliases, fewer come of MOST_PAIRS
MOST_ALIASES = 20
TEXT_LENGTH = 16_384  # of an event that is kept with its entry
_SNAPSHOT_ID = re.compile(r"[0-9]{8,19}\Z", re.ASCII)


class RunTransition(StrEnum):
    """The transition of a run that an event is about."""

    START = "START"
    RUNNING = "RUNNING"
    COMPLETE = "COMPLETE"
    ABORT = "ABORT"
    FAIL = "FAIL"
    OTHER = "OTHER"


class EventKind(StrEnum):
    """What an event is about: a run, a job without a run, or data without a job."""

    RUN = "RunEvent"
    JOB = "JobEvent"
    DATASET = "DatasetEvent"


@dataclass(frozen=True, slots=True)
class PlacedData:
    """Data at an address; ``aliases`` are other addresses of it, ``layer`` the kind of the table that it is."""

    address: str
    version: str | None = None
    layer: str | None = None
    aliases: tuple[str, ...] = ()

    @property
    def place(self) -> Node:
        """The node of the place."""
        return _place(self.address)

    @property
    def snapshot(self) -> Node | None:
        """The node of the version of the data that the event names; None where it names none."""
        if self.version is None:
            return None
        digests = [places.version_digest(self.address, self.version)]
        if (self.layer or "").lower() == "iceberg" and _SNAPSHOT_ID.match(self.version):
            digests.append(f"iceberg:{self.version}")  # no other table has a snapshot with this id
        name = f"{self.address}@{self.version}"[: places.NAME_LENGTH]
        return dataset_node(Dataset(name, tuple(digests), self.address), EdgeKind.TRANSFORMED_FROM)


@dataclass(frozen=True, slots=True)
class PipelineEvent:
    """An event; ``document`` is the event itself as JSON, with everything that is not used here."""

    kind: EventKind
    document: str
    state: RunTransition = RunTransition.OTHER
    run: str | None = None
    job: DataJob | None = None
    inputs: tuple[PlacedData, ...] = ()
    outputs: tuple[PlacedData, ...] = ()

    @property
    def data(self) -> RunData:
        """The data that it names."""
        return RunData(self.inputs, self.outputs)

    @property
    def adds_data(self) -> bool:
        """Whether its data belongs to the later events of its run: metadata is additive (docs/spec/run-cycle).

        COMPLETE, ABORT and FAIL are the last events of a run.
        """
        ends = self.state in {RunTransition.COMPLETE, RunTransition.ABORT, RunTransition.FAIL}
        return self.kind is EventKind.RUN and not ends and bool(self.inputs or self.outputs)

    @property
    def states_edges(self) -> bool:
        """Whether it states the edges of its run, with the data of the earlier events."""
        return self.kind is EventKind.RUN and self.state in {RunTransition.RUNNING, RunTransition.COMPLETE}

    def after(self, earlier: RunData) -> PipelineEvent:
        """Return the event with the data of the earlier events of its run; its own facts of data take precedence."""
        return replace(self, inputs=(*self.inputs, *earlier.inputs), outputs=(*self.outputs, *earlier.outputs))

    @property
    def digest(self) -> str:
        """SHA-256 of the document, in hex: of equal events, also of those that were sent twice."""
        return hashlib.sha256(self.document.encode()).hexdigest()

    @property
    def kept_text(self) -> str:
        """The event as it is kept with its entry: without facets and data if it is too long."""
        if len(self.document) <= TEXT_LENGTH:
            return self.document
        event: Mapping[str, Any] = json.loads(self.document)
        kept = {name: event[name] for name in ("eventTime", "eventType", "producer", "schemaURL") if name in event}
        parts = {name: event[name] for name in ("run", "job") if name in event}
        kept |= {name: {key: part[key] for key in part if key != "facets"} for name, part in parts.items()}
        return json.dumps(kept)[:TEXT_LENGTH]


@dataclass(frozen=True, slots=True)
class RunData:
    """The data that a run has named so far, the latest first; ``document`` is its form in JSON."""

    inputs: tuple[PlacedData, ...] = ()
    outputs: tuple[PlacedData, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.inputs or self.outputs)

    def without(self, known: RunData) -> RunData:
        """Return the data that *known* lacks."""
        inputs, outputs = {*known.inputs}, {*known.outputs}
        return RunData(
            tuple(one for one in dict.fromkeys(self.inputs) if one not in inputs),
            tuple(one for one in dict.fromkeys(self.outputs) if one not in outputs),
        )

    def after(self, earlier: RunData) -> RunData:
        """Return the data with that of earlier events."""
        return RunData((*self.inputs, *earlier.inputs), (*self.outputs, *earlier.outputs))

    @property
    def document(self) -> Mapping[str, Sequence[Sequence[Any]]]:
        """The data as JSON, for :func:`run_data_of`."""
        return {
            name: [[one.address, one.version, one.layer, [*one.aliases]] for one in data]
            for name, data in (("inputs", self.inputs), ("outputs", self.outputs))
        }


def run_data_of(document: Mapping[str, Sequence[Sequence[Any]]]) -> RunData:
    """Return the data that has this document."""
    return RunData(*(tuple(map(_placed_data, document[name])) for name in ("inputs", "outputs")))


def _placed_data(row: Sequence[Any]) -> PlacedData:
    address, version, layer, aliases = row
    return PlacedData(address, version, layer, tuple(aliases))


class EventEdge(NamedTuple):
    """An edge that an event states."""

    kind: EdgeKind
    source: Node
    target: Node


@dataclass(frozen=True, slots=True)
class EventPlan:
    """The edges that an event states, and notes about what it does not state."""

    edges: Sequence[EventEdge]
    notes: Sequence[str]


def plan(event: PipelineEvent) -> EventPlan:
    """Return the edges of an event: of each output to each input, and to the job.

    A job that reads its own output states nothing about it. Raises Invalid for more than ``MOST_PAIRS`` pairs
    or ``MOST_EDGES`` edges.
    """
    if silence := _silence(event):
        return EventPlan((), [silence])
    notes: list[str] = []
    inputs, outputs = _distinct("input", event.inputs, notes), _distinct("output", event.outputs, notes)
    if len(inputs) * len(outputs) > MOST_PAIRS:
        text = f"{len(inputs):,} inputs and {len(outputs):,} outputs are more than {MOST_PAIRS:,} pairs"
        raise Invalid.field("outputs", f"{text}: state the lineage in several events")
    own = sorted(one.address for one in outputs.values() if one.address in inputs)
    notes += [f"{address} is an input and an output: it does not depend on itself" for address in own]
    edges = [edge for output in outputs.values() for edge in _edges(event.job, inputs, output)]
    for data in [*inputs.values(), *outputs.values()]:
        if snapshot := data.snapshot:
            edges.append(EventEdge(EdgeKind.PART_OF, snapshot, data.place))
        for alias in sorted({one for one in data.aliases if len(one) <= places.NAME_LENGTH} - {data.address}):
            place, other = data.place, _place(alias)
            edges += [EventEdge(EdgeKind.PART_OF, place, other), EventEdge(EdgeKind.PART_OF, other, place)]
    if len(edges) > MOST_EDGES:
        text = f"with the other names of its data, the event states {len(edges):,} edges, more than {MOST_EDGES:,}"
        raise Invalid.field("inputs", f"{text}: state the lineage in several events")
    return EventPlan(edges, notes)


def _silence(event: PipelineEvent) -> str | None:
    """Return why the event states no edge; None for one that does."""
    if event.kind is EventKind.DATASET:
        return "no edge: an event about data alone states no lineage"
    if event.kind is EventKind.RUN and not event.states_edges:
        return f"no edge: {event.state} states no lineage; RUNNING and COMPLETE do"
    return None if event.outputs else "no edge: the event names no outputs"


def _distinct(what: str, data: Sequence[PlacedData], notes: list[str]) -> Mapping[str, PlacedData]:
    """Return the data by address, each once, without addresses that are too long."""
    kept: dict[str, PlacedData] = {}
    for place, one in enumerate(data):
        if len(one.address) > places.NAME_LENGTH:
            notes.append(f"{what} {place} is left out: an address has at most {places.NAME_LENGTH} characters")
        elif one.address not in kept or kept[one.address].version is None:
            kept[one.address] = one
    return kept


def _edges(job: DataJob | None, inputs: Mapping[str, PlacedData], output: PlacedData) -> Iterator[EventEdge]:
    snapshot = output.snapshot
    if job is not None:
        yield EventEdge(EdgeKind.PRODUCED_BY, output.place, job_node(job))
    for one in inputs.values():
        if one.address != output.address:
            yield EventEdge(EdgeKind.TRANSFORMED_FROM, output.place, one.place)
        source = one.snapshot
        if snapshot and source and snapshot.key != source.key:
            yield EventEdge(EdgeKind.TRANSFORMED_FROM, snapshot, source)


def _place(address: str) -> Node:
    return dataset_node(Dataset(address[: places.NAME_LENGTH], (), address), EdgeKind.TRANSFORMED_FROM)
