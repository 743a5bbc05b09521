"""Differences of two texts, line by line, in bounded time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import Match, SequenceMatcher
from itertools import accumulate

from registry.domain.comparison import Change

CONTEXT = 3  # equal lines around a change
LINES = 2000  # that are listed
STEPS = 3_000_000  # about a second; difflib takes time that grows with the cube of the lines in the worst case


class TooManySteps(Exception):
    """The texts repeat their lines so often that their differences take too long to find."""


@dataclass(frozen=True, slots=True)
class ComparedLine:
    """A line of both texts or of one: ``same``, ``added`` or ``removed``."""

    change: Change
    text: str


@dataclass(frozen=True, slots=True)
class Hunk:
    """Lines around a change. ``first`` and ``other`` are the numbers of its first line in each text, from 1."""

    first: int
    other: int
    lines: Sequence[ComparedLine]


def hunks(first: str, other: str) -> list[Hunk]:
    """Return what differs between two texts, with CONTEXT lines around it. Raises TooManySteps."""
    before, after = first.splitlines(), other.splitlines()
    groups = _BoundedMatcher(before, after).get_grouped_opcodes(CONTEXT)
    return [
        Hunk(group[0][1] + 1, group[0][3] + 1, [line for code in group for line in _lines(before, after, code)])
        for group in groups
    ]


def limited(found: Sequence[Hunk], most: int = LINES) -> tuple[list[Hunk], int]:
    """Return the first *most* lines of the hunks, and how many others there are."""
    listed: list[Hunk] = []
    room = most
    for hunk in found:
        if room > 0:
            listed.append(Hunk(hunk.first, hunk.other, hunk.lines[:room]))
        room -= len(hunk.lines)
    return listed, max(-room, 0)


def _lines(before: Sequence[str], after: Sequence[str], code: tuple[str, int, int, int, int]) -> Iterator[ComparedLine]:
    kind, low, high, other_low, other_high = code
    if kind == "equal":
        yield from (ComparedLine(Change.SAME, line) for line in before[low:high])
        return
    yield from (ComparedLine(Change.REMOVED, line) for line in before[low:high])
    yield from (ComparedLine(Change.ADDED, line) for line in after[other_low:other_high])


class _BoundedMatcher(SequenceMatcher[str]):
    """A matcher that counts the pairs of equal lines that it looks at."""

    def __init__(self, before: Sequence[str], after: Sequence[str]) -> None:
        super().__init__(None, before, after)
        places: Mapping[str, Sequence[int]] = vars(self)["b2j"]  # documented, and not in the stubs of the library
        self._pairs = [0, *accumulate(1 + len(places.get(line, ())) for line in before)]
        self._steps = 0

    def find_longest_match(self, alo: int = 0, ahi: int | None = None, blo: int = 0, bhi: int | None = None) -> Match:
        self._steps += self._pairs[-1 if ahi is None else ahi] - self._pairs[alo] + 1
        if self._steps > STEPS:
            raise TooManySteps
        return super().find_longest_match(alo, ahi, blo, bhi)
