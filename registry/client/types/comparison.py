"""Comparisons of versions, and metrics over the versions of a model."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

from registry.client.types.versions import Stage


class DeltaView(TypedDict):
    """A number less that of the first version; ``percent`` is None where that is 0."""

    absolute: float
    percent: float | None


class CellView(TypedDict):
    """The fact of one version; ``absence`` is why it has none, ``change`` is against the first version.

    ``verdict`` is of a metric, and ``address`` the page of the commits since the first version's; an older registry
    omits both.
    """

    value: Any
    absence: Literal["absent", "not_recorded", "unknown", "deleted"] | None
    change: Literal["same", "changed", "added", "removed", "undecided"]
    delta: DeltaView | None
    verdict: NotRequired[Literal["better", "worse"] | None]
    address: NotRequired[str | None]


class ComparisonRowView(TypedDict):
    """A fact in each version. ``group`` is the part of the section, like the digest of a metric's dataset.

    ``slice`` is the part of that dataset; an older registry omits it.
    """

    name: str
    group: str | None
    slice: NotRequired[str]
    note: str | None
    kind: str
    cells: list[CellView]


class SectionView(TypedDict):
    """The facts of one kind. ``equal`` counts those that are the same in all versions."""

    name: str
    rows: list[ComparisonRowView]
    equal: int
    unrecorded: list[str]
    unknown_facts: list[str]
    omitted: int


class ComparedVersionView(TypedDict):
    """A version of a comparison."""

    reference: str
    model: str
    number: int
    state: str
    stage: Stage
    rolled_back: bool
    aliases: list[str]
    manifest_digest: str | None
    created_at: str
    created_by: str


class ComparisonView(TypedDict):
    """A comparison of versions with the first of them."""

    versions: list[ComparedVersionView]
    same: bool
    sections: list[SectionView]


class MetricPointView(TypedDict):
    """The latest value of a metric of one version, on any data or on one dataset."""

    key: str
    value: float
    dataset_digest: str | None
    dataset_name: str | None
    slice: NotRequired[str]
    recorded_at: str


class MeasuredVersionView(TypedDict):
    """A version, with the latest values of the metrics that were asked for; those that it lacks are left out."""

    number: int
    state: str
    stage: Stage
    created_at: str
    points: list[MetricPointView]


class ComparedLineView(TypedDict):
    """A line of both texts, or of one: ``added`` or ``removed`` against the first version."""

    change: Literal["same", "added", "removed"]
    text: str


class HunkView(TypedDict):
    """Lines around a change; ``first`` and ``other`` are the numbers of its first line in each text, from 1."""

    first: int
    other: int
    lines: list[ComparedLineView]


class ComparedPackageView(TypedDict):
    """A package whose version differs; None where a file does not name it."""

    name: str
    first: str | None
    other: str | None
    change: Literal["changed", "added", "removed"]


class FileComparisonView(TypedDict):
    """A file in two versions. ``packages`` is None for one that is no requirements or lock file, or too large."""

    path: str
    references: list[str]
    digests: list[str | None]
    kind: Literal["changes", "same", "binary", "large", "repetitive"]
    hunks: list[HunkView]
    omitted: int
    packages: list[ComparedPackageView] | None
    omitted_packages: int
