"""What an exported document of a version's lineage is made from, as frozen values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from urllib.parse import quote

from registry.domain.lineage import EdgeKind, NodeKind
from registry.domain.manifest import File
from registry.domain.states import VersionState


class ExportFormat(StrEnum):
    """The format of an exported document."""

    OPENLINEAGE = "openlineage"
    PROV = "prov"
    CYCLONEDX_1_6 = "cyclonedx-1.6"
    CYCLONEDX_1_7 = "cyclonedx-1.7"


@dataclass(frozen=True, slots=True)
class ExportedNode:
    """A node of the lineage. ``facts`` has all facts of a node next to the version, and the main ones of others.

    ``model``, ``number`` and ``state`` are those of a version. Nodes of the same data are one.
    """

    kind: NodeKind
    key: str
    name: str
    digests: Sequence[str] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    model: str | None = None
    number: int | None = None
    state: str | None = None

    @property
    def path(self) -> str:
        """Return the path that identifies the node in its registry: unreserved characters, ``%`` and slashes."""
        if self.model is not None and self.number is not None:
            path = version_path(self.model, self.number)
            # The name of a deleted model may belong to another one now.
            return f"{path}/{self.key}" if self.state == VersionState.DELETED else path
        return f"lineage/{self.kind}/{quote(self.key.removeprefix('sha256:'), safe='')}"


@dataclass(frozen=True, slots=True)
class ExportedEdge:
    """An edge in force: ``source`` and ``target`` are places in the list of nodes.

    An edge without an id and a time was not stated: data with a digest is a part of what is at its address.
    """

    id: int | None
    source: int
    target: int
    kind: EdgeKind
    role: str | None
    asserted_by: str | None
    asserted_at: datetime | None

    @property
    def label(self) -> str:
        """Return what no other edge of the document has."""
        return str(self.id) if self.id is not None else f"{self.source}to{self.target}"


@dataclass(frozen=True, slots=True)
class ExportedMetric:
    """A measured value; ``data`` is the name or the digest of the data, and its slice, where they are known."""

    name: str
    value: float
    data: str = ""


@dataclass(frozen=True, slots=True)
class ExportedVersion:
    """The version that a document is about."""

    model: str
    number: int
    state: str
    stage: str
    is_prompt: bool
    manifest_digest: str | None
    file_count: int
    size: int
    description: str
    framework: str | None
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Sequence[ExportedMetric]
    created_at: datetime
    created_by: str
    deleted_at: datetime | None

    @property
    def path(self) -> str:
        """Return the path of the version in its registry."""
        return version_path(self.model, self.number)


@dataclass(frozen=True, slots=True)
class LineageFacts:
    """A version, the lineage that it was made from, and its files by path.

    ``registry`` is the address of the registry, without a slash at its end; ``changed_at`` the time of the latest
    change of the facts. The first node is the version itself. ``left_out`` counts the nodes beyond the limit, and
    ``cut`` has the places of the nodes that lead to them.
    """

    registry: str
    version: ExportedVersion
    nodes: Sequence[ExportedNode]
    edges: Sequence[ExportedEdge]
    changed_at: datetime
    left_out: int = 0
    cut: Sequence[int] = ()
    files: Sequence[File] = ()

    def of_version(self, kind: EdgeKind) -> Iterator[tuple[ExportedEdge, ExportedNode]]:
        """Yield the edges of the kind that start at the version, with the nodes that they lead to."""
        return ((edge, self.nodes[edge.target]) for edge in self.edges if edge.source == 0 and edge.kind == kind)

    def latest(self, kind: EdgeKind) -> tuple[ExportedEdge, ExportedNode] | None:
        """Return the latest edge of the kind that starts at the version, with its node: a run may have several."""
        return max(self.of_version(kind), key=lambda pair: pair[0].id or 0, default=None)


def version_path(model: str, number: int) -> str:
    """Return the path of a version, of unreserved characters, ``%`` and slashes."""
    return f"models/{quote(model, safe='')}/versions/{number}"


def code_facts(facts: LineageFacts) -> Mapping[str, Any]:
    """Return what is known of the code of the version: nothing where none is recorded."""
    code = facts.latest(EdgeKind.BUILT_FROM)
    return code[1].facts if code else {}
