"""The lineage of a version as a document of PROV-JSON (www.w3.org/submissions/prov-json/)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from registry.domain import clock
from registry.domain.lineage import EdgeKind, NodeKind
from registry.domain.lineage_exports.facts import ExportedEdge, ExportedNode, LineageFacts
from registry.domain.lineage_exports.uris import uri_of

_ACTIVITIES = (NodeKind.RUN, NodeKind.JOB)
_TYPES = {
    NodeKind.VERSION: "ModelVersion",
    NodeKind.RUN: "Run",
    NodeKind.CODE: "Code",
    NodeKind.ENVIRONMENT: "Environment",
    NodeKind.DATASET: "Dataset",
    NodeKind.MODEL: "BaseModel",
    NodeKind.JOB: "Job",
}
_ELSEWHERE = {"name", "digests", "schema", "started_at", "finished_at", "triggered_by"}


def document(facts: LineageFacts) -> dict[str, Any]:
    """Return the document."""
    return _Provenance(facts).document()


class _Provenance:
    """Entities, activities, agents and their relations, by identifier."""

    def __init__(self, facts: LineageFacts) -> None:
        self.facts = facts
        self.parts: dict[str, dict[str, dict[str, Any]]] = {}
        self.latest_run = facts.latest(EdgeKind.PRODUCED_BY)

    def document(self) -> dict[str, Any]:
        address = uri_of(f"{self.facts.registry}/api/v1/") or "urn:model-registry:"
        for place, node in enumerate(self.facts.nodes):
            self._add_node(place, node)
        self._describe_root()
        self._associate_run()
        for edge in self.facts.edges:
            self._relate(edge)
        return {"prefix": {"registry": address, "terms": f"{address}lineage#"}, **self.parts}

    def _add(self, part: str, name: str, values: Mapping[str, Any]) -> None:
        known = {key: value for key, value in values.items() if value is not None and value not in ("", [])}
        self.parts.setdefault(part, {}).setdefault(name, {}).update(known)

    def _add_node(self, place: int, node: ExportedNode) -> None:
        values: dict[str, Any] = {"prov:type": _term(_TYPES[node.kind]), "prov:label": node.name}
        values |= {
            f"terms:{name}": _attribute_value(value) for name, value in node.facts.items() if name not in _ELSEWHERE
        }
        if node.kind in _ACTIVITIES:
            values |= {"prov:startTime": node.facts.get("started_at"), "prov:endTime": node.facts.get("finished_at")}
        else:
            values |= {"terms:digest": [*node.digests], "terms:state": node.state}
        if place in self.facts.cut:
            values["terms:edgesLeftOut"] = True
        self._add("activity" if node.kind in _ACTIVITIES else "entity", _identifier(node), values)

    def _describe_root(self) -> None:
        version = self.facts.version
        own = _identifier(self.facts.nodes[0])
        values: dict[str, Any] = {
            "terms:stage": version.stage,
            "terms:manifestDigest": version.manifest_digest,
            "terms:fileCount": version.file_count,
            "terms:framework": version.framework,
            "terms:registeredAt": _time(version.created_at),
            "terms:nodesLeftOut": self.facts.left_out or None,
            "terms:metric": [f"{one.name}={one.value!r}" + (f" on {one.data}" if one.data else "")
                             for one in version.metrics],
        }  # fmt: skip
        self._add("entity", own, values)
        self._add(
            "wasAttributedTo", "_:registered", {"prov:entity": own, "prov:agent": self._agent(version.created_by)}
        )
        if version.deleted_at:
            deleted = {"prov:entity": own, "prov:time": clock.wire(version.deleted_at)}
            self._add("wasInvalidatedBy", "_:deleted", deleted)

    def _agent(self, account: str) -> str:
        name = f"registry:accounts/{quote(account, safe='')}"
        self._add("agent", name, {"prov:label": account, "prov:type": _term("Account")})
        return name

    def _associate_run(self) -> None:
        """Relate the run to the person who started it, with the code as its plan."""
        if self.latest_run is None:
            return
        run, code = self.latest_run[1], self.facts.latest(EdgeKind.BUILT_FROM)
        association = {"prov:activity": _identifier(run)}
        if started_by := run.facts.get("triggered_by"):
            association["prov:agent"] = f"registry:lineage/person/{quote(started_by, safe='')}"
            self._add("agent", association["prov:agent"], {"prov:label": started_by})
        if code:
            association["prov:plan"] = _identifier(code[1])
        if len(association) > 1:
            self._add("wasAssociatedWith", "_:association", association)

    def _relate(self, edge: ExportedEdge) -> None:
        source, target = self.facts.nodes[edge.source], self.facts.nodes[edge.target]
        stated: dict[str, Any] = {
            "terms:edge": edge.id,
            "terms:relation": edge.kind.value,
            "terms:role": edge.role,
            "terms:assertedBy": edge.asserted_by,
            "terms:assertedAt": _time(edge.asserted_at),
        }
        run = _identifier(self.latest_run[1]) if self.latest_run and edge.source == 0 else None
        match edge.kind:
            case EdgeKind.PRODUCED_BY:
                generated = {"prov:entity": _identifier(source), "prov:activity": _identifier(target), **stated}
                self._add("wasGeneratedBy", f"_:generation{edge.label}", generated)
            case EdgeKind.BUILT_FROM | EdgeKind.RAN_IN:
                influence = {"prov:influencee": _identifier(source), "prov:influencer": _identifier(target), **stated}
                self._add("wasInfluencedBy", f"_:influence{edge.label}", influence)
                self._use(edge, run, target, stated)
            case EdgeKind.USED | EdgeKind.DERIVED_FROM | EdgeKind.TRANSFORMED_FROM:
                derived = {"prov:generatedEntity": _identifier(source), "prov:usedEntity": _identifier(target)}
                self._add("wasDerivedFrom", f"_:derivation{edge.label}", {**derived, "prov:activity": run, **stated})
                self._use(edge, run, target, stated)
            case EdgeKind.EVALUATED_ON:
                evaluation = f"{_identifier(source)}/evaluation"
                self._add("activity", evaluation, {"prov:type": _term("Evaluation")})
                self._add(
                    "used",
                    f"_:evaluated{edge.source}",
                    {"prov:activity": evaluation, "prov:entity": _identifier(source)},
                )
                self._use(edge, evaluation, target, stated)
            case EdgeKind.PART_OF:
                self._add(
                    "hadMember",
                    f"_:member{edge.label}",
                    {"prov:collection": _identifier(target), "prov:entity": _identifier(source)},
                )
                stated |= {"prov:influencee": _identifier(target), "prov:influencer": _identifier(source)}
                self._add("wasInfluencedBy", f"_:influence{edge.label}", stated)

    def _use(self, edge: ExportedEdge, activity: str | None, target: ExportedNode, stated: Mapping[str, Any]) -> None:
        if activity:
            self._add(
                "used",
                f"_:usage{edge.label}",
                {"prov:activity": activity, "prov:entity": _identifier(target), **stated},
            )


def _identifier(node: ExportedNode) -> str:
    return f"registry:{node.path}"


def _term(name: str) -> dict[str, str]:
    return {"$": f"terms:{name}", "type": "prov:QUALIFIED_NAME"}


def _time(instant: datetime | None) -> dict[str, str] | None:
    return None if instant is None else {"$": clock.wire(instant), "type": "xsd:dateTime"}


def _attribute_value(value: Any) -> Any:
    """Return a fact as an attribute: a mapping becomes texts of the form ``name=value``."""
    if isinstance(value, Mapping):
        return [f"{name}={item}" for name, item in value.items()]
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [str(item) for item in value]
    return value
