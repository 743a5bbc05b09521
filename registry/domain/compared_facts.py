"""The facts of a version that a comparison shows, by section."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from registry.domain import clock, fact_digests, signature_columns
from registry.domain.comparison import (
    Absence,
    CellKind,
    Change,
    ComparedFact,
    ComparisonRow,
    Line,
    RowName,
    Section,
    SectionFacts,
    compare_facts,
    shortened,
)
from registry.domain.lineage import Documents
from registry.domain.states import RunState, VersionState
from registry.rules import metric_directions, repository_addresses

FILES = "files"
INCIDENTAL = frozenset({"registration", "stage"})  # sections of no fact that was registered
# The sections in their order; the facts of those that are True are in the order of their names.
SECTIONS: Mapping[str, bool] = {
    "registration": False, "stage": False, "metrics": True, "params": True, "datasets": True, "code": False,
    "environment": False, "run": False, "parents": True, "content": False, FILES: True, "signature": False,
    "tags": True, "about": False,
}  # fmt: skip
_REPO = RowName("", "repo")
_CODE = ("repo", "commit", "branch", "path", "dirty", "command")
_ENVIRONMENT = ("python", "lock_digest", "image_digest")
_RUN = ("system", "id", "url", "triggered_by", "started_at", "finished_at")
_KINDS = {
    "lock_digest": CellKind.DIGEST, "image_digest": CellKind.DIGEST, "manifest_digest": CellKind.DIGEST,
    "dirty": CellKind.FLAG, "rolled_back": CellKind.FLAG, "created_at": CellKind.TIME, "started_at": CellKind.TIME,
    "finished_at": CellKind.TIME, "file_count": CellKind.NUMBER, "size": CellKind.SIZE, "aliases": CellKind.LIST,
}  # fmt: skip
_STORED = {VersionState.PENDING: "not verified yet", VersionState.FAILED: "refused"}
_OPEN_RUNS = frozenset({RunState.UNFINISHED, RunState.ABANDONED})


@dataclass(frozen=True, slots=True)
class ComparedVersion:
    """A version of a comparison: which it is, and its facts by section. ``reference`` is the one of the request."""

    reference: str
    model: str
    number: int
    state: str
    stage: str
    rolled_back: bool
    aliases: Sequence[str]
    manifest_digest: str | None
    created_at: datetime
    created_by: str
    facts: Mapping[str, SectionFacts]


def compared(reference: str, version: Any) -> ComparedVersion:
    """Return the facts of a ``VersionRecord``, long texts cut."""
    lineage: Documents = version.lineage
    run_missing = Absence.UNKNOWN if version.run_state in _OPEN_RUNS else None
    facts = {
        "registration": _scalars(version, ("created_at", "created_by")),
        "stage": _stage(version),
        "metrics": _section(_latest_metrics(version), run_missing),
        "params": _section(_text_facts(version.params), run_missing),
        "datasets": _section(_datasets(lineage.datasets)),
        "code": _scalars(lineage.code, _CODE),
        "environment": _scalars(lineage.environment, _ENVIRONMENT),
        "run": _scalars(lineage.run, _RUN),
        "parents": SectionFacts(_parents(lineage), Absence.ABSENT, {}),
        "content": _content(version),
        "signature": _section(_signature_facts(version.signature)),
        "tags": SectionFacts(_text_facts(version.tags), Absence.ABSENT, {}),
        "about": _scalars(version, ("framework", "source", "description")),
    }
    return ComparedVersion(
        reference, version.model, version.number, version.state, version.stage, version.rolled_back, version.aliases,
        version.manifest_digest, version.created_at, version.created_by, facts,
    )  # fmt: skip


def sections(versions: Sequence[ComparedVersion], files: Section, *, everything: bool = False) -> Sequence[Section]:
    """Return the sections of a comparison in their order, with the one of the files."""
    compared = {
        name: files
        if name == FILES
        else compare_facts(name, [one.facts[name] for one in versions], everything=everything, by_name=by_name)
        for name, by_name in SECTIONS.items()
    }
    compared["metrics"] = replace(compared["metrics"], rows=[*map(_judged, compared["metrics"].rows)])
    repositories = [one.facts["code"].facts.get(_REPO) for one in versions]
    code = [_addressed(row, repositories) if row.name == "commit" else row for row in compared["code"].rows]
    compared["code"] = replace(compared["code"], rows=code)
    return list(compared.values())


def _judged(row: ComparisonRow) -> ComparisonRow:
    """Return the row of a metric with the verdicts on its differences."""
    if metric_directions.direction(row.name) is None:
        return row
    cells = [
        replace(cell, verdict=metric_directions.verdict(row.name, cell.delta.absolute)) if cell.delta else cell
        for cell in row.cells
    ]
    return replace(row, cells=cells)


def _addressed(row: ComparisonRow, repositories: Sequence[ComparedFact | None]) -> ComparisonRow:
    """Return the row of commits with the addresses of the commits since the first one's, in its repository."""
    first, repository = row.cells[0], repositories[0]
    cells = [
        replace(cell, address=repository_addresses.commits_between(repository.value, first.value, cell.value))
        if cell.change is Change.CHANGED and repository and other and other.key == repository.key
        else cell
        for cell, other in zip(row.cells, repositories, strict=True)
    ]
    return replace(row, cells=cells)


def file_line(path: str, files: Sequence[tuple[str, int] | Absence]) -> Line:
    """Return the line of a path: the SHA-256 in hex and the size in each version, or why it has no such file."""
    return RowName("", path), [
        file if isinstance(file, Absence)
        else ComparedFact({"sha256": file[0], "size": file[1]}, file[0], CellKind.FILE)
        for file in files
    ]  # fmt: skip


def file_absence(version: Any) -> Absence:
    """Return why a version lacks a file that another one has."""
    return Absence.ABSENT if version.manifest_digest else Absence.UNKNOWN


def _section(facts: Mapping[RowName, ComparedFact], missing: Absence | None = None) -> SectionFacts:
    """Return a section whose facts may all be unrecorded."""
    return SectionFacts(facts, missing or (Absence.ABSENT if facts else Absence.NOT_RECORDED), {})


def _scalars(source: Any, names: Sequence[str]) -> SectionFacts:
    """Return the named facts of a record or a document; those that are None, or empty, are not recorded."""
    facts, others = {}, {}
    for name in names:
        value = source.get(name) if isinstance(source, Mapping) else getattr(source, name, None)
        if value in (None, ""):
            others[RowName("", name)] = Absence.NOT_RECORDED
        else:
            facts[RowName("", name)] = _fact(value, _KINDS.get(name, CellKind.TEXT))
    return SectionFacts(facts, Absence.NOT_RECORDED, others)


def _fact(value: Any, kind: CellKind = CellKind.TEXT, note: str | None = None) -> ComparedFact:
    if isinstance(value, datetime):
        value = clock.wire(value)
    if isinstance(value, str):
        key = value if len(shortened(value)) == len(value) else fact_digests.document(value)
        return ComparedFact(shortened(value), key, kind, note)
    return ComparedFact(value, value, kind, note)


def _text_facts(values: Mapping[str, str]) -> dict[RowName, ComparedFact]:
    return {RowName("", name): _fact(value) for name, value in values.items()}


def _latest_metrics(version: Any) -> dict[RowName, ComparedFact]:
    """Return the latest values: on each dataset where one was named, and what the run could not measure."""
    unmeasured: Mapping[str, str] = (version.lineage.run or {}).get("unmeasured") or {}
    facts = {RowName("", name): _fact(text) for name, text in unmeasured.items()}
    named = {one.metric for one in version.evaluations}
    facts |= {RowName("", key): _number_fact(value) for key, value in version.metrics.items() if key not in named}
    for one in version.evaluations:
        facts[RowName(one.dataset_digest or "", one.metric, one.slice)] = _number_fact(one.value, one.dataset_name)
    return facts


def _number_fact(value: float, note: str | None = None) -> ComparedFact:
    if math.isfinite(value):
        return ComparedFact(value, float(value), CellKind.NUMBER, note)
    return ComparedFact(str(value), str(value), CellKind.NUMBER, note)


def _datasets(datasets: Sequence[Mapping[str, Any]]) -> dict[RowName, ComparedFact]:
    """Return the datasets by role and name. Any digest identifies one; a name that repeats is numbered."""
    facts: dict[RowName, ComparedFact] = {}
    for one in datasets:
        name, place = RowName(one.get("role") or "", shortened(one["name"])), 1
        while name in facts:
            place += 1
            name = name._replace(name=f"{shortened(one['name'])} ({place})")
        shown = {
            "digests": list(one["digests"]),
            "rows": one.get("rows"),
            "uri": shortened(one.get("uri") or "") or None,
        }
        facts[name] = ComparedFact(shown, frozenset(one["digests"]), CellKind.DATASET)
    return facts


def _parents(lineage: Documents) -> dict[RowName, ComparedFact]:
    """Return the numbers of the parents by model, and of each base model how the version derives from it."""
    numbers: dict[str, list[int]] = {}
    for parent in lineage.parents:
        numbers.setdefault(parent["model"], []).append(parent["version"])
    facts = {RowName("", model): _fact(sorted(held), CellKind.LIST) for model, held in numbers.items()}
    for base in lineage.base_models:
        name = RowName("base model", shortened(base["uri"] or base["digests"][0]))
        facts[name] = _fact([base["relation"] or "derived", *base["digests"]], CellKind.LIST)
    return facts


def _stage(version: Any) -> SectionFacts:
    section = _scalars(version, ("state", "stage", "rolled_back"))
    aliases = RowName("", "aliases")
    if version.aliases:
        return replace(section, facts={**section.facts, aliases: _fact(list(version.aliases), CellKind.LIST)})
    is_deleted = version.state == VersionState.DELETED
    return replace(section, others={**section.others, aliases: Absence.DELETED if is_deleted else Absence.ABSENT})


def _content(version: Any) -> SectionFacts:
    """Return the facts of the files together, and whether the registry has their bytes."""
    known = ("manifest_digest", "file_count", "size")
    section = _scalars(version, known)
    if not version.manifest_digest:
        others = {RowName("", name): Absence.UNKNOWN for name in (*known, "bytes")}
        return SectionFacts({}, Absence.UNKNOWN, others)
    stored = RowName("", "bytes")
    if version.purged_at is not None:
        return replace(section, others={stored: Absence.DELETED})
    return replace(section, facts={**section.facts, stored: _fact(_STORED.get(version.state, "verified"))})


def _signature_facts(signature: Mapping[str, Any] | None) -> dict[RowName, ComparedFact]:
    return {
        RowName(column.part, shortened(column.name)): _fact(column.kind)
        for column in signature_columns.columns(signature or {})
    }
