"""Lineage: what depends on something, and edges that are added, retracted and reinstated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from registry.client.fields import given
from registry.client.http.transport import Transport, path
from registry.client.types import (
    AffectedView,
    BaseModel,
    DataJob,
    Dataset,
    LineageChangeView,
    LineageEdgeView,
    LineageFormat,
    Parent,
    PipelineEventView,
    ReproducibilityView,
    Stage,
)


class Lineage:
    """The lineage over all models. ``versions.lineage`` shows that of one version."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def impact(
        self,
        digest: str | None = None,
        *,
        dataset: str | None = None,
        version: str | None = None,
        code: str | None = None,
        model: str | None = None,
        stage: Stage | None = None,
        as_of: str | None = None,
    ) -> Iterator[AffectedView]:
        """Yield the versions that depend on it: production first, then staging, then the others.

        Give one of the digest of data, the name or the address of a *dataset*, a *version* as ``fraud:3``, the commit
        of *code*, and the URI of a base *model*. With *stage*, only those that are in it. With *as_of*, stages are
        those of that instant. Raises NotFound for what no lineage names.
        """
        query = {
            "digest": digest,
            "dataset": dataset,
            "version": version,
            "code": code,
            "model": model,
            "stage": stage,
            "as_of": as_of,
        }
        return self._transport.pages(AffectedView, path("lineage", "impact"), query=query)

    def reproducibility(self, model: str, number: int) -> ReproducibilityView:
        """Return what of a version is recorded for building it again, and what is missing. Raises NotFound."""
        where = path("models", model, "versions", number, "reproducibility")
        return self._transport.one(ReproducibilityView, "GET", where)

    def export(self, model: str, number: int, format: LineageFormat) -> bytes:
        """Return the lineage of a version as a JSON document for another system, in UTF-8.

        It is an event of OpenLineage, a document of W3C PROV-JSON, or an ML-BOM of CycloneDX. Raises NotFound.
        """
        where = path("models", model, "versions", number, "lineage", "export")
        return self._transport.content(where, query={"format": format})

    def add(
        self,
        model: str,
        number: int,
        *,
        used: Sequence[Dataset] | None = None,
        evaluated_on: Sequence[Dataset] | None = None,
        parents: Sequence[Parent] | None = None,
        base_models: Sequence[BaseModel] | None = None,
        reason: str | None = None,
        idempotency_key: str | None = None,
    ) -> LineageChangeView:
        """Add to the lineage of a version what was learned since it was registered.

        Edges that are there stay; retracted ones are reinstated. Raises NotFound, Invalid, and ClosesCycle.
        """
        body = given(used=used, evaluated_on=evaluated_on, parents=parents, base_models=base_models, reason=reason)
        where = path("models", model, "versions", number, "lineage")
        return self._transport.one(LineageChangeView, "POST", where, body=body, key=idempotency_key)

    def add_data(
        self,
        dataset: Dataset,
        *,
        part_of: Sequence[Dataset] | None = None,
        transformed_from: Sequence[Dataset] | None = None,
        job: DataJob | None = None,
        reinstate: bool | None = None,
        reason: str | None = None,
        idempotency_key: str | None = None,
    ) -> LineageChangeView:
        """Add what a dataset is a part of, what it was made from, and by which job.

        Retracted edges are reinstated unless *reinstate* is False. Raises Invalid and ClosesCycle.
        """
        origins = given(part_of=part_of, transformed_from=transformed_from, job=job)
        body = {"dataset": dataset, **origins, **given(reinstate=reinstate, reason=reason)}
        return self._transport.one(
            LineageChangeView, "POST", path("lineage", "datasets"), body=body, key=idempotency_key
        )

    def send_event(self, event: Mapping[str, Any], *, idempotency_key: str | None = None) -> PipelineEventView:
        """Send an event of OpenLineage, as a JSON object; the edges that it states join the graph.

        The same event changes nothing when it is sent again. Raises Invalid.
        """
        where = path("lineage", "events")
        return self._transport.one(PipelineEventView, "POST", where, body=event, key=idempotency_key)

    def edge(self, edge: int) -> LineageEdgeView:
        """Return an edge with everything that was stated about it. Raises NotFound."""
        return self._transport.one(LineageEdgeView, "GET", path("lineage", "edges", edge))

    def retract(self, edge: int, *, reason: str) -> LineageChangeView:
        """Leave an edge out of answers; history keeps it. Raises NotFound."""
        return self._state(edge, {"retracted": True, "reason": reason})

    def reinstate(self, edge: int, *, reason: str) -> LineageChangeView:
        """Take an edge into answers again. Raises NotFound and ClosesCycle."""
        return self._state(edge, {"retracted": False, "reason": reason})

    def _state(self, edge: int, body: dict[str, Any]) -> LineageChangeView:
        return self._transport.one(LineageChangeView, "PUT", path("lineage", "edges", edge), body=body)
