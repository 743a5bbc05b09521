"""Comparison of versions: sections of rows, with a cell for each version and the difference from the first one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from registry.rules.metric_directions import Verdict

LEAST, MOST = 2, 6  # versions of one comparison
ROWS = 500  # listed of one section
LONGEST = 500  # characters of a text in a cell


class Absence(StrEnum):
    """The reason why a version has no value.

    ``absent``: the facts of this kind are recorded, and this one is not among them. ``not_recorded``: none of this kind
    was recorded. ``unknown``: not determined, because the files are elsewhere or the run had not ended.
    ``deleted``: removed with a deleted version, or with purged bytes.
    """

    ABSENT = "absent"
    NOT_RECORDED = "not_recorded"
    UNKNOWN = "unknown"
    DELETED = "deleted"


class Change(StrEnum):
    """The change of a cell from the first version; ``undecided``: one of the two values is unknown."""

    SAME = "same"
    CHANGED = "changed"
    ADDED = "added"
    REMOVED = "removed"
    UNDECIDED = "undecided"


class CellKind(StrEnum):
    TEXT = "text"
    NUMBER = "number"
    SIZE = "size"
    TIME = "time"
    DIGEST = "digest"
    DATASET = "dataset"
    FILE = "file"
    FLAG = "flag"
    LIST = "list"


class RowName(NamedTuple):
    """``group`` is the part of the section: the digest of a metric's dataset, the role of a dataset, ``inputs``…

    ``slice`` is the part of a metric's dataset; empty for the whole one.
    """

    group: str
    name: str
    slice: str = ""


@dataclass(frozen=True, slots=True)
class ComparedFact:
    """A value to show, and the *key* that equal values share; a set of keys is equal to each that shares one."""

    value: Any
    key: Any
    kind: CellKind = CellKind.TEXT
    note: str | None = None


@dataclass(frozen=True, slots=True)
class SectionFacts:
    """The facts of one version in one section, and why one that is not among them is missing."""

    facts: Mapping[RowName, ComparedFact]
    missing: Absence
    others: Mapping[RowName, Absence]

    def why_missing(self, name: RowName) -> Absence:
        return self.others.get(name, self.missing)


@dataclass(frozen=True, slots=True)
class Delta:
    """A number less that of the first version; ``percent`` is of the absolute first value, None for 0."""

    absolute: float
    percent: float | None


@dataclass(frozen=True, slots=True)
class Cell:
    """The value of one version, or the reason why it has none.

    ``verdict`` is the judgement of a metric's difference from the first version, where its direction is known.
    ``address`` is the page of the commits since the first version's at the host of the repository.
    """

    value: Any
    absence: Absence | None
    change: Change
    delta: Delta | None
    verdict: Verdict | None = None
    address: str | None = None


@dataclass(frozen=True, slots=True)
class ComparisonRow:
    """A fact in each version. ``note`` is the name of the dataset whose digest is the group."""

    name: str
    group: str | None
    slice: str
    note: str | None
    kind: CellKind
    cells: Sequence[Cell]

    @property
    def is_equal(self) -> bool:
        return all(cell.change is Change.SAME for cell in self.cells)


@dataclass(frozen=True, slots=True)
class Section:
    """The rows of one kind of fact; ``equal`` counts those that are the same in all versions.

    ``unrecorded`` names the facts that no version has recorded, and ``unknown_facts`` those that are unknown of each.
    ``omitted`` counts rows beyond the first ``ROWS``.
    """

    name: str
    rows: Sequence[ComparisonRow]
    equal: int
    unrecorded: Sequence[str] = ()
    unknown_facts: Sequence[str] = ()
    omitted: int = 0

    @property
    def is_same(self) -> bool:
        return not self.omitted and all(row.is_equal for row in self.rows)


Line = tuple[RowName, Sequence[ComparedFact | Absence]]


def compare_facts(name: str, sides: Sequence[SectionFacts], *, everything: bool = False, by_name: bool) -> Section:
    """Return the section of the facts of each version, in the order of the first version or *by_name*."""
    return compare_lines(name, lines(sides, by_name=by_name), everything=everything)


def lines(sides: Sequence[SectionFacts], *, by_name: bool) -> Iterator[Line]:
    """Yield each fact with its value in every version, or why it is missing there."""
    names: Iterable[RowName] = dict.fromkeys(name for side in sides for name in (*side.facts, *side.others))
    for name in sorted(names) if by_name else names:
        yield name, [side.facts.get(name) or side.why_missing(name) for side in sides]


def compare_lines(name: str, lines: Iterable[Line], *, everything: bool = False) -> Section:
    """Return the section with the rows that differ, or with *everything*; at most ``ROWS`` rows."""
    differing: list[tuple[int, ComparisonRow]] = []
    same: list[tuple[int, ComparisonRow]] = []
    nowhere: dict[Absence, list[str]] = {Absence.NOT_RECORDED: [], Absence.UNKNOWN: []}
    counts = {True: 0, False: 0}
    for place, (row_name, facts) in enumerate(lines):
        first = facts[0]
        if isinstance(first, Absence) and first in nowhere and all(fact is first for fact in facts):
            nowhere[first].append(row_name.name)
            continue
        changes = [Change.SAME, *(_change_from(first, fact) for fact in facts[1:])]
        is_equal = all(change is Change.SAME for change in changes)
        counts[is_equal] += 1
        kept = same if is_equal else differing
        if len(kept) < ROWS and (everything or not is_equal):
            kept.append((place, _row(row_name, facts, changes)))
    listed = sorted([*differing, *same[: ROWS - len(differing)]], key=lambda pair: pair[0])
    omitted = counts[False] - len(differing) + (counts[True] - (len(listed) - len(differing)) if everything else 0)
    rows, (unrecorded, unknown) = [row for _, row in listed], nowhere.values()
    return Section(name, rows, counts[True], unrecorded, unknown, omitted)


def shortened(text: str) -> str:
    """Return the beginning of a long text."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def delta(first: Any, other: Any) -> Delta | None:
    """Return the difference of two numbers; None unless both and their difference are finite."""
    if not all(type(value) in {int, float} for value in (first, other)):
        return None
    try:
        absolute = float(other - first)
        percent = absolute / abs(first) * 100 if first else None
    except OverflowError:
        return None
    if not math.isfinite(absolute):
        return None
    return Delta(absolute, percent if percent is not None and math.isfinite(percent) else None)


def _row(name: RowName, facts: Sequence[ComparedFact | Absence], changes: Sequence[Change]) -> ComparisonRow:
    present = [fact for fact in facts if isinstance(fact, ComparedFact)]
    kind = present[0].kind if present else CellKind.TEXT
    note = next((fact.note for fact in present if fact.note), None)
    cells = [_cell(facts[0], fact, change) for fact, change in zip(facts, changes, strict=True)]
    return ComparisonRow(name.name, name.group or None, name.slice, note, kind, cells)


def _cell(first: ComparedFact | Absence, fact: ComparedFact | Absence, change: Change) -> Cell:
    if isinstance(fact, Absence):
        return Cell(None, fact, change, None)
    is_number = fact.kind in {CellKind.NUMBER, CellKind.SIZE} and change is Change.CHANGED
    difference = delta(first.value, fact.value) if is_number and isinstance(first, ComparedFact) else None
    return Cell(fact.value, None, change, difference)


def _change_from(first: ComparedFact | Absence, fact: ComparedFact | Absence) -> Change:
    if first is Absence.UNKNOWN or fact is Absence.UNKNOWN:
        return Change.UNDECIDED
    if isinstance(fact, Absence):
        return Change.SAME if isinstance(first, Absence) else Change.REMOVED
    if isinstance(first, Absence):
        return Change.ADDED
    return Change.SAME if _same_keys(first.key, fact.key) else Change.CHANGED


def _same_keys(one: Any, other: Any) -> bool:
    if isinstance(one, frozenset) and isinstance(other, frozenset):
        return not one.isdisjoint(other)
    return bool(one == other)
