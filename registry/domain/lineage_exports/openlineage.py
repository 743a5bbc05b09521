"""The lineage of a version as an event of OpenLineage 2-0-2 (openlineage.io/spec).

With a run it is a RunEvent, without one but with code or inputs a JobEvent, otherwise a DatasetEvent.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from registry.domain import clock
from registry.domain.canonical_json import dumps
from registry.domain.lineage import EdgeKind, NodeKind
from registry.domain.lineage_exports.data_columns import columns_of
from registry.domain.lineage_exports.facts import ExportedEdge, ExportedNode, LineageFacts, code_facts
from registry.domain.lineage_exports.uris import dataset_name, uri_of

_SPEC = "https://openlineage.io/spec"
_EVENTS = f"{_SPEC}/2-0-2/OpenLineage.json#/$defs"
_FACETS = {
    "DatasetVersionDatasetFacet": "1-0-1",
    "DatasetTypeDatasetFacet": "1-0-1",
    "DatasourceDatasetFacet": "1-0-1",
    "SchemaDatasetFacet": "1-2-0",
    "InputStatisticsInputDatasetFacet": "1-0-0",
    "OutputStatisticsOutputDatasetFacet": "1-0-2",
    "SourceCodeLocationJobFacet": "1-1-0",
    "JobTypeJobFacet": "2-0-4",
    "ParentRunFacet": "1-2-0",
}
_INPUTS = (EdgeKind.USED, EdgeKind.DERIVED_FROM)
_PARENT_RUN = "mlflow.parentRunId"
_CODE = ("repo", "commit", "branch", "path", "dirty", "command")


def document(facts: LineageFacts) -> dict[str, Any]:
    """Return the event."""
    return _Event(facts).document()


class _Event:
    """The event of one version; its facets name this registry as their producer."""

    def __init__(self, facts: LineageFacts) -> None:
        self.facts = facts
        self.producer = uri_of(facts.registry) or "urn:model-registry"
        run = facts.latest(EdgeKind.PRODUCED_BY)
        self.run: Mapping[str, Any] = run[1].facts if run else {}
        self.code = code_facts(facts)

    def document(self) -> dict[str, Any]:
        version = self.facts.version
        time = self.run.get("finished_at") or clock.wire(version.created_at)
        base = {"eventTime": time, "producer": self.producer}
        inputs = [self._input(*pair) for kind in _INPUTS for pair in self.facts.of_version(kind)]
        output = self._output()
        if self.run:
            return {
                **base,
                "schemaURL": f"{_EVENTS}/RunEvent",
                "eventType": "COMPLETE",
                "run": self._run_part(),
                "job": self._job_part(),
                "inputs": inputs,
                "outputs": [output],
            }
        if inputs or self.code:
            event = {"job": self._job_part(), "inputs": inputs, "outputs": [output]}
            return {**base, "schemaURL": f"{_EVENTS}/JobEvent", **event}
        del output["outputFacets"]  # a DatasetEvent has none
        return {**base, "schemaURL": f"{_EVENTS}/DatasetEvent", "dataset": output}

    def _run_part(self) -> dict[str, Any]:
        run = self.run
        facets = {"modelRegistry_run": self._own_facet("RunFacet", run)}
        environment = self.facts.latest(EdgeKind.RAN_IN)
        if environment:
            facets["modelRegistry_environment"] = self._own_facet("RunFacet", environment[1].facts)
        if parent := run.get("tags", {}).get(_PARENT_RUN):
            job = self._job_name()
            facets["parent"] = self._facet("ParentRunFacet", run={"runId": _run_id(run["system"], parent)}, job=job)
        return {"runId": _run_id(run["system"], run["id"]), "facets": facets}

    def _job_name(self) -> dict[str, str]:
        """Return the job: code in the namespace of the system that ran it; the model where none is known."""
        code = "/".join(part for part in (self.code.get("repo"), self.code.get("path")) if part)
        namespace = self.run.get("system") or self.facts.registry
        return {"namespace": namespace, "name": code or self.facts.version.model}

    def _job_part(self) -> dict[str, Any]:
        integration = self.run.get("system", "model registry").upper().replace(" ", "_")
        kind = {"processingType": "BATCH", "integration": integration, "jobType": "TRAINING"}
        facets = {"jobType": self._facet("JobTypeJobFacet", **kind)}
        if self.code:
            facets["modelRegistry_code"] = self._own_facet("JobFacet", {name: self.code.get(name) for name in _CODE})
        if url := uri_of(self.code.get("repo")):
            location = {
                "type": "git",
                "url": url,
                "repoUrl": self.code["repo"],
                "path": self.code.get("path"),
                "version": self.code.get("commit"),
                "branch": self.code.get("branch"),
            }
            facets["sourceCodeLocation"] = self._facet("SourceCodeLocationJobFacet", **location)
        return {**self._job_name(), "facets": facets}

    def _input(self, edge: ExportedEdge, node: ExportedNode) -> dict[str, Any]:
        rows = node.facts.get("rows")
        statistics = self._facet("InputStatisticsInputDatasetFacet", rowCount=rows) if rows is not None else None
        return {
            **self._dataset_part(edge, node),
            **({"inputFacets": {"inputStatistics": statistics}} if statistics else {}),
        }

    def _dataset_part(self, edge: ExportedEdge, node: ExportedNode) -> dict[str, Any]:
        namespace, name = self._name_of_data(node)
        facets = {"modelRegistry_origin": self._own_facet("DatasetFacet", _use_facts(edge, node))}
        kind = None if node.kind == NodeKind.DATASET else "MODEL"
        if kind:
            facets["datasetType"] = self._facet("DatasetTypeDatasetFacet", datasetType=kind)
        version = str(node.number) if node.number is not None else next(iter(node.digests), None)
        if version:
            facets["version"] = self._facet("DatasetVersionDatasetFacet", datasetVersion=version)
        if uri := uri_of(node.facts.get("uri")):
            facets["dataSource"] = self._facet("DatasourceDatasetFacet", name=namespace, uri=uri)
        if columns := columns_of(node.facts.get("schema")):
            fields = [{"name": name, **({"type": kind} if kind else {})} for name, kind in columns]
            facets["schema"] = self._facet("SchemaDatasetFacet", fields=fields)
        return {"namespace": namespace, "name": name, "facets": facets}

    def _name_of_data(self, node: ExportedNode) -> tuple[str, str]:
        if node.kind == NodeKind.VERSION:
            return self.facts.registry, node.name
        return dataset_name(self.facts.registry, node.name, node.facts.get("uri"))

    def _output(self) -> dict[str, Any]:
        version = self.facts.version
        files = {"fileCount": version.file_count, "size": version.size}
        facets = {
            "version": self._facet("DatasetVersionDatasetFacet", datasetVersion=str(version.number)),
            "datasetType": self._facet("DatasetTypeDatasetFacet", datasetType="MODEL"),
            "modelRegistry_version": self._own_facet("DatasetFacet", self._version_facts()),
        }
        if uri := uri_of(f"{self.facts.registry}/api/v1/{version.path}"):
            facets["dataSource"] = self._facet("DatasourceDatasetFacet", name=self.facts.registry, uri=uri)
        return {
            "namespace": self.facts.registry,
            "name": f"{version.model}:{version.number}",
            "facets": facets,
            "outputFacets": {"outputStatistics": self._facet("OutputStatisticsOutputDatasetFacet", **files)},
        }

    def _version_facts(self) -> dict[str, Any]:
        version = self.facts.version
        return {
            "model": version.model,
            "number": version.number,
            "state": version.state,
            "stage": version.stage,
            "manifestDigest": version.manifest_digest,
            "framework": version.framework,
            "registeredBy": version.created_by,
            "registeredAt": clock.wire(version.created_at),
            "deletedAt": clock.wire(version.deleted_at) if version.deleted_at else None,
            "evaluatedOn": [*self._evaluated_on()],
            "nodesLeftOut": self.facts.left_out or None,
        }

    def _evaluated_on(self) -> Iterator[dict[str, Any]]:
        for edge, node in self.facts.of_version(EdgeKind.EVALUATED_ON):
            namespace, name = self._name_of_data(node)
            yield {"namespace": namespace, "name": name, **_use_facts(edge, node)}

    def _facet(self, kind: str, **values: Any) -> dict[str, Any]:
        """Return a facet of the specification, without the values that are not known."""
        schema = f"{_SPEC}/facets/{_FACETS[kind]}/{kind}.json#/$defs/{kind}"
        return {"_producer": self.producer, "_schemaURL": schema, **_without_unknown(values)}

    def _own_facet(self, base: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return a facet of this registry: facts beside those of the specification, by the schema of its base."""
        return {"_producer": self.producer, "_schemaURL": f"{_EVENTS}/{base}", **_without_unknown(values)}


def _use_facts(edge: ExportedEdge, node: ExportedNode) -> dict[str, Any]:
    """Return how an input was used, and who recorded that."""
    stated = {
        "assertedBy": edge.asserted_by,
        "assertedAt": clock.wire(edge.asserted_at) if edge.asserted_at else None,
        "edge": edge.id,
    }
    return _without_unknown(
        {"name": node.name, "relation": edge.kind.value, "role": edge.role, "digests": [*node.digests], **stated}
    )


def _without_unknown(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if not _is_unknown(value)}


def _is_unknown(value: Any) -> bool:
    return value is None or (isinstance(value, Mapping | Sequence) and not value)


def _run_id(system: str, run: str) -> str:
    """Return the UUID of a run: its id where that is one, otherwise one that follows from it."""
    try:
        own = uuid.UUID(run)
    except ValueError:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, dumps([system, run]).decode()))
    return str(own)
