"""The lineage of a version as a machine-learning bill of materials (ML-BOM) of CycloneDX (cyclonedx.org).

The version is the component that the document is about, and contains its files. Data, environment and framework are
further components of the document; base models and parent versions are its ancestors.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from registry.domain import clock
from registry.domain.lineage import EdgeKind, NodeKind
from registry.domain.lineage_exports.facts import ExportedEdge, LineageFacts, code_facts
from registry.domain.lineage_exports.model_card import licences, model_card
from registry.domain.lineage_exports.uris import base_model_purl, uri_of, version_purl
from registry.domain.manifest import File, canonical_digest

_HASHES = {"md5": ("MD5", 32), "sha1": ("SHA-1", 40), "sha256": ("SHA-256", 64), "sha384": ("SHA-384", 96),
           "sha512": ("SHA-512", 128), "blake3": ("BLAKE3", 64)}  # fmt: skip
_MEDIA_TYPE = re.compile(r"[-+a-z0-9.]+/[-+a-z0-9.]+\Z")
_HEX = re.compile(r"[0-9a-f]+\Z")
_FACTS = {"uri", "name", "digests"}
_RUN = ("system", "id", "triggered_by", "started_at", "finished_at")
_CODE = ("commit", "branch", "path", "dirty", "command")
_LONGEST_VERSION = 1024  # by the schema


def document(facts: LineageFacts, specification: str) -> dict[str, Any]:
    """Return the document of a *specification*, 1.6 or 1.7. Its serial number follows from its content."""
    content = _Bill(facts).content()
    content = {
        "$schema": f"http://cyclonedx.org/schema/bom-{specification}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": specification,
        "version": 1,
        **content,
    }
    place = f"{facts.registry}/{facts.nodes[0].path}"
    serial = uuid.uuid5(uuid.NAMESPACE_URL, f"{place}#{canonical_digest(content)}")
    return {**content, "serialNumber": f"urn:uuid:{serial}"}


class _Bill:
    """The bill of one version: components by the place of their node."""

    def __init__(self, facts: LineageFacts) -> None:
        self.facts = facts
        self.origins: dict[int, list[ExportedEdge]] = {}
        for edge in facts.edges:
            self.origins.setdefault(edge.target, []).append(edge)
        self.ancestors = self._ancestors()
        self.parts = [
            place
            for place, node in enumerate(facts.nodes)
            if node.kind == NodeKind.DATASET
            or (node.kind == NodeKind.ENVIRONMENT and any(edge.source == 0 for edge in self.origins.get(place, ())))
        ]
        self.references = {place: facts.nodes[place].path for place in (0, *self.ancestors, *self.parts)}

    def content(self) -> dict[str, Any]:
        return {
            "metadata": {
                "timestamp": clock.wire(self.facts.changed_at),
                "tools": {"components": [{"type": "application", "name": "model-registry"}]},
                "component": self._model_component(),
            },
            "components": [*map(self._part_component, self.parts), *self._framework()],
            "dependencies": [*self._dependencies()],
            "compositions": [*self._compositions()],
        }

    def _ancestors(self) -> list[int]:
        """Return the places of the versions and models that the version derives from, the nearest first."""
        found: dict[int, None] = {0: None}
        reached = [0]
        while reached:
            targets = [e.target for e in self.facts.edges if e.kind == EdgeKind.DERIVED_FROM and e.source in reached]
            reached = [place for place in dict.fromkeys(targets) if place not in found]
            found |= dict.fromkeys(reached)
        return [*found][1:]

    def _model_component(self) -> dict[str, Any]:
        version = self.facts.version
        data = [edge.target for edge in self.facts.edges if edge.source == 0 and edge.target in self.parts
                and self.facts.nodes[edge.target].kind == NodeKind.DATASET]  # fmt: skip
        datasets = [self.references[place] for place in dict.fromkeys(data)]
        code = code_facts(self.facts)
        commits = [{"uid": code["commit"]}] if code.get("commit") else []
        pedigree = {"ancestors": [*map(self._ancestor, self.ancestors)], "commits": commits}
        component = {
            "type": "data" if version.is_prompt else "machine-learning-model",
            "bom-ref": self.references[0],
            "name": version.model,
            "version": str(version.number),
            "description": version.description,
            "licenses": licences(version.tags),
            "purl": version_purl(self.facts.registry, version.model, version.number),
            "pedigree": {name: list_ for name, list_ in pedigree.items() if list_},
            "externalReferences": [*self._references()],
            "components": [*map(_file_component, self.facts.files)],
            "modelCard": {} if version.is_prompt else model_card(version, datasets),
            "properties": [*self._model_properties()],
        }
        return {name: value for name, value in component.items() if value}

    def _references(self) -> Iterator[dict[str, Any]]:
        code, run = code_facts(self.facts), self.facts.latest(EdgeKind.PRODUCED_BY)
        pairs = [
            (
                "distribution",
                f"{self.facts.registry}/api/v1/{self.facts.version.path}/files",
                "the files of the version",
            ),
            ("vcs", code.get("repo"), f"commit {code['commit']}" if code.get("commit") else None),
            ("build-system", run[1].facts.get("url") if run else None, "the run that produced the version"),
        ]
        for kind, address, comment in pairs:
            if url := uri_of(address):
                yield {"type": kind, "url": url, **({"comment": comment} if comment else {})}

    def _model_properties(self) -> Iterator[dict[str, str]]:
        version, facts = self.facts.version, self.facts
        run = facts.latest(EdgeKind.PRODUCED_BY)
        values: dict[str, Any] = {
            "state": version.state,
            "stage": version.stage,
            "manifest_digest": version.manifest_digest,
            "file_count": version.file_count,
            "size": version.size,
            "registered_by": version.created_by,
            "registered_at": clock.wire(version.created_at),
            "deleted_at": clock.wire(version.deleted_at) if version.deleted_at else None,
            "lineage_nodes_left_out": facts.left_out or None,
        }
        values |= {f"code.{name}": code_facts(facts).get(name) for name in ("repo", *_CODE)}
        values |= {f"run.{name}": run[1].facts.get(name) for name in _RUN} if run else {}
        for pair in filter(None, map(facts.latest, (EdgeKind.PRODUCED_BY, EdgeKind.BUILT_FROM))):
            values[f"{pair[0].kind}.asserted_by"] = pair[0].asserted_by
        values |= {f"param.{name}": value for name, value in version.params.items()}
        values |= {f"tag.{name}": value for name, value in version.tags.items()}
        return _properties(values)

    def _ancestor(self, place: int) -> dict[str, Any]:
        node = self.facts.nodes[place]
        component = {"type": "machine-learning-model", "bom-ref": self.references[place], "name": node.name}
        if node.model is not None and node.number is not None:
            purl = version_purl(self.facts.registry, node.model, node.number)
            component |= {"name": node.model, "version": str(node.number), "purl": purl}
        elif hub := base_model_purl(node.facts.get("uri")):
            component["purl"] = hub[0]
            if hub[1] and len(hub[1]) <= _LONGEST_VERSION:
                component["version"] = hub[1]
        return {**component, **self._digests_and_facts(place)}

    def _part_component(self, place: int) -> dict[str, Any]:
        node = self.facts.nodes[place]
        if node.kind == NodeKind.ENVIRONMENT:
            image = str(node.facts.get("image_digest") or "")
            kind = {"type": "container" if image else "platform", "bom-ref": self.references[place], "name": node.name}
            hashes = {"hashes": found} if (found := _hashes([image])) else {}
            python = {} if image else {"version": node.facts.get("python")}
            return {**kind, **{name: value for name, value in python.items() if value}, **hashes, **self._facts(place)}
        data: dict[str, Any] = {"type": "dataset", "name": node.name}
        if url := uri_of(node.facts.get("uri")):
            data["contents"] = {"url": url}
        component = {"type": "data", "bom-ref": self.references[place], "name": node.name, "data": [data]}
        return {**component, **self._digests_and_facts(place)}

    def _digests_and_facts(self, place: int) -> dict[str, Any]:
        """Return the digests of a node, and its facts."""
        hashes = _hashes(self.facts.nodes[place].digests)
        return {**({"hashes": hashes} if hashes else {}), **self._facts(place)}

    def _facts(self, place: int) -> dict[str, Any]:
        """Return the facts of a node, and how it was used and who recorded that, as properties."""
        node = self.facts.nodes[place]
        values = {name: value for name, value in node.facts.items() if not isinstance(value, Mapping)}
        values |= {"state": node.state, "edges_left_out": "true" if place in self.facts.cut else None}
        stated = [property_ for edge in self.origins.get(place, ()) for property_ in self._stated(edge)]
        digests = [{"name": "registry:digest", "value": digest} for digest in node.digests]
        return {"properties": found} if (found := [*digests, *_properties(values), *stated]) else {}

    def _stated(self, edge: ExportedEdge) -> Iterator[dict[str, str]]:
        names = f"{edge.kind}:{edge.role}" if edge.role else str(edge.kind)
        yield {"name": "registry:relation", "value": f"{self.facts.nodes[edge.source].name} {names}"}
        if edge.asserted_at:
            at = clock.wire(edge.asserted_at)
            yield {"name": "registry:asserted", "value": f"{at} {edge.asserted_by}" if edge.asserted_by else at}

    def _framework(self) -> Iterator[dict[str, Any]]:
        if name := self.facts.version.framework:
            yield {"type": "framework", "bom-ref": "framework", "name": name}

    def _dependencies(self) -> Iterator[dict[str, Any]]:
        targets: dict[int, dict[str, None]] = {place: {} for place in self.references}
        for edge in self.facts.edges:
            if edge.source in targets and edge.target in targets:
                targets[edge.source][self.references[edge.target]] = None
        if self.facts.version.framework:
            targets[0]["framework"] = None
        for place, some in targets.items():
            yield {"ref": self.references[place], **({"dependsOn": [*some]} if some else {})}

    def _compositions(self) -> Iterator[dict[str, Any]]:
        """State whether the files are known, and whether nodes are left out of the document."""
        own = self.references[0]
        is_known = self.facts.version.manifest_digest is not None
        yield {"aggregate": "complete" if is_known else "unknown", "assemblies": [own]}
        if self.facts.left_out:
            cut = [self.references[place] for place in self.facts.cut if place in self.references]
            yield {"aggregate": "incomplete", "dependencies": cut or [own]}


def _file_component(file: File) -> dict[str, Any]:
    kind = {"mime-type": file.media_type} if _MEDIA_TYPE.match(file.media_type) else {}
    hashes = [{"alg": "SHA-256", "content": file.sha256}]
    size = [{"name": "registry:size", "value": str(file.size)}]
    return {"type": "file", "name": file.path, **kind, "hashes": hashes, "properties": size}


def _hashes(digests: Any) -> list[dict[str, str]]:
    """Return those of the digests whose algorithm CycloneDX has."""
    found = []
    for digest in digests:
        algorithm, _, value = digest.partition(":")
        name, length = _HASHES.get(algorithm, ("", 0))
        if len(value) == length and _HEX.match(value):
            found.append({"alg": name, "content": value})
    return found


def _properties(values: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    for name, value in values.items():
        if value is not None and name not in _FACTS:
            yield {"name": f"registry:{name}", "value": str(value).lower() if isinstance(value, bool) else str(value)}
