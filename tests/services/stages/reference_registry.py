"""A registry as lists in memory, with which the state machine is compared."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

STAGES = ["none", "staging", "production", "archived"]
# What the enforced lifecycle allows; everything else but staying is refused.
LEGAL = {
    ("none", "staging"),
    ("none", "archived"),
    ("staging", "production"),
    ("staging", "none"),
    ("staging", "archived"),
    ("production", "archived"),
    ("archived", "staging"),
}


class Refused(Exception):
    """The registry should answer with this code."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass
class Version:
    stage: str = "none"
    deleted: bool = False
    rolled_back: bool = False


@dataclass
class Span:
    """Somebody held something. ``what`` is a stage or an alias; ``place`` the position in the line of holders."""

    what: str
    number: int
    start: datetime
    place: int
    end: datetime | None = None
    superseded: bool = False

    def covers(self, instant: datetime) -> bool:
        return self.start <= instant and (self.end is None or instant < self.end)


@dataclass
class Book:
    """The rules of stages, rollback, aliases and deletion, as plainly as they can be written down."""

    lifecycle: str = "enforced"
    versions: dict[int, Version] = field(default_factory=dict)
    spans: list[Span] = field(default_factory=list)
    actions: list[str] = field(default_factory=lambda: ["model.created"])

    def holding(self, what: str) -> list[Span]:
        return [span for span in self.spans if span.what == what and span.end is None]

    def holder(self, what: str) -> int | None:
        """The latest of those who hold it now."""
        return max(self.holding(what), key=self.spans.index).number if self.holding(what) else None

    def holder_at(self, what: str, instant: datetime) -> int | None:
        return next((s.number for s in reversed(self.spans) if s.what == what and s.covers(instant)), None)

    def find(self, number: int) -> Version:
        if number not in self.versions:
            raise Refused("not_found")
        return self.versions[number]

    def check_expected(self, what: str, expected: Any) -> None:
        if expected != "any" and expected != self.holder(what):
            raise Refused("stale")

    def decide_move(self, number: int, target: str, expected: Any, *, vacant: bool) -> str | None:
        """The action that history should tell; None when the version is there already."""
        version = self.find(number)
        self.check_expected("production", expected)
        if version.deleted:
            raise Refused("not_ready")
        source = version.stage
        if source == target:
            return None
        legal = (source, target) in LEGAL and (source != "production" or vacant)
        if self.lifecycle == "enforced" and not legal:
            raise Refused("illegal_transition")
        if target == "archived":
            return "version.archived"
        if source == "archived" and target != "production":
            return "version.restored"
        up = STAGES.index(target) > STAGES.index(source) or source == "archived"
        return "version.promoted" if up else "version.demoted"

    def move(self, number: int, target: str, at: datetime) -> int | None:
        """Do it; whom it displaced."""
        displaced = self.holder("production") if (self.lifecycle, target) == ("enforced", "production") else None
        if displaced is not None:
            self.enter(displaced, "archived", at, superseded=True)
        self.enter(number, target, at)
        if target == "production":
            self.versions[number].rolled_back = False
        return displaced

    def decide_rollback(self, to: int | None, expected: Any) -> Span:
        """The span in production that should be brought back."""
        self.check_expected("production", expected)
        line = [span for span in self.spans if span.what == "production"]
        if to is not None:
            return self._named(line, to)
        if not line:
            raise Refused("no_previous")
        newest = line[-1]
        out = {newest.number} | {span.number for span in self.holding("production")}
        for place, span in reversed(list(enumerate(line))):
            version = self.versions[span.number]
            good = span.superseded and not version.deleted and not version.rolled_back
            if place < newest.place and good and span.number not in out:
                return span
        raise Refused("no_previous")

    def _named(self, line: list[Span], to: int) -> Span:
        spans = [span for span in line if span.number == to]
        if not spans:
            raise Refused("no_previous")
        if self.versions[to].rolled_back:
            raise Refused("illegal_transition")
        if self.versions[to].deleted:
            raise Refused("not_ready")
        return spans[-1]

    def roll_back(self, chosen: Span, at: datetime) -> int | None:
        """Do it; who went out."""
        outgoing = self.holder("production")
        if outgoing is not None:
            self.enter(outgoing, "archived", at)
            self.versions[outgoing].rolled_back = True
        self.enter(chosen.number, "production", at, place=chosen.place)
        return outgoing

    def enter(
        self, number: int, stage: str, at: datetime, *, superseded: bool = False, place: int | None = None
    ) -> None:
        for span in self.spans:
            if span.number == number and span.what in STAGES and span.end is None:
                span.end, span.superseded = at, superseded
        self.versions[number].stage = stage
        if stage != "none":
            own = sum(span.what == stage for span in self.spans)
            self.spans.append(Span(stage, number, at, own if place is None else place))

    def decide_delete(self, number: int) -> None:
        version = self.find(number)
        if version.deleted:
            raise Refused("conflict")
        pointed_at = any(s.number == number and s.what not in STAGES and s.end is None for s in self.spans)
        if self.lifecycle == "enforced" and (version.stage in {"staging", "production"} or pointed_at):
            raise Refused("in_use")

    def delete(self, number: int, at: datetime) -> None:
        """Where the lifecycle is open, what is deleted leaves its stage and its aliases."""
        version = self.versions[number]
        for span in self.spans:
            if span.number == number and span.what not in STAGES and span.end is None:
                span.end = at
        if version.stage in {"staging", "production"}:
            self.enter(number, "none", at)
        version.deleted = True

    def decide_point(self, alias: str, number: int, expected: Any) -> bool:
        """Whether the alias moves."""
        if self.find(number).deleted:
            raise Refused("conflict")
        self.check_expected(alias, expected)
        return self.holder(alias) != number

    def decide_lifecycle(self, wanted: str) -> None:
        if wanted == "enforced" and len(self.holding("production")) > 1:
            raise Refused("conflict")
