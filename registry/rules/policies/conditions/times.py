"""Rules about time and order: time in staging, newer versions, windows of local time."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, ClassVar
from zoneinfo import ZoneInfo, available_timezones

from registry.rules import suggestions
from registry.rules.listing import listed
from registry.rules.policies import json_records
from registry.rules.policies.facts import GateFacts, Need, StagingFacts
from registry.rules.policies.quantities import duration_text, read_duration
from registry.rules.policies.reading import DocumentKeys, choice, flag, list_of, shown, text
from registry.rules.policies.rule import Rule, Terms
from registry.rules.policies.verdicts import RuleFinding

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_TIME = re.compile(r"(?:([01][0-9]|2[0-3]):([0-5][0-9])|24:00)\Z")
_DAY = 24 * 60  # minutes
_NOT_ZONES = ("localtime", "posix", "right/", "Factory")  # files of the database that depend on the machine
_AHEAD = 400  # days that are searched for the next moment


@dataclass(frozen=True, slots=True, kw_only=True)
class StagingTimeRule(Rule):
    """The version has been in staging for a time without interruption."""

    kind: ClassVar[str] = "time_in_staging"
    stages: ClassVar[tuple[str, ...]] = ("production",)
    at_least: timedelta

    @classmethod
    def read(cls, keys: DocumentKeys, explanation: str | None) -> StagingTimeRule:
        return cls(explanation=explanation, at_least=keys.take("at_least", read_duration, timedelta(), required=True))

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({Need.STAGING})

    def describe(self) -> str:
        return f"time in staging >= {duration_text(self.at_least)}"

    def judge(self, facts: GateFacts, terms: Terms) -> RuleFinding:
        staging = facts.staging or StagingFacts()
        source = "the history of the version's stages"
        if staging.since is None:
            remedy = f"registry promote {facts.reference} --to staging, and wait {duration_text(self.at_least)}"
            return RuleFinding(False, "not in staging", source=source, remedy=remedy)
        spent = (staging.until or facts.at) - staging.since
        seen = {"since": json_records.as_json(staging.since), "until": json_records.as_json(staging.until)}
        reason = f"in staging for {duration_text(spent)}, since {seen['since']}"
        if spent >= self.at_least:
            return RuleFinding(True, reason, seen, source)
        return RuleFinding(False, reason, seen, source, f"wait {_wait(self.at_least - spent)}")

    def implies(self, old: Rule, terms: Terms, old_terms: Terms) -> bool:
        return isinstance(old, StagingTimeRule) and self.at_least >= old.at_least


@dataclass(frozen=True, slots=True, kw_only=True)
class NotSupersededRule(Rule):
    """No newer version of the model is in staging."""

    kind: ClassVar[str] = "not_superseded"

    @classmethod
    def read(cls, keys: DocumentKeys, explanation: str | None) -> NotSupersededRule:
        return cls(explanation=explanation)

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({Need.NEWER})

    def describe(self) -> str:
        return "no newer version in staging"

    def judge(self, facts: GateFacts, terms: Terms) -> RuleFinding:
        newer = sorted(facts.newer or ())
        source = "the stages of the model's versions"
        if not newer:
            return RuleFinding(True, "there is none", [], source)
        names = [f"{facts.model}:{number}" for number in newer]
        which = "it" if len(names) == 1 else "each newer one"
        remedy = f"promote {names[-1]} instead, or take {which} out of staging: registry archive {names[-1]}"
        verb = "is" if len(names) == 1 else "are"
        return RuleFinding(False, f"{listed(names)} {verb} in staging", newer, source, remedy)

    def implies(self, old: Rule, terms: Terms, old_terms: Terms) -> bool:
        return isinstance(old, NotSupersededRule)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeWindowRule(Rule):
    """The time of the database is within windows of local time; with ``refuses``, outside of them.

    A window begins on each of the days, and ends at ``until``: on the next day, where that is no later than ``start``.
    The clock on the wall decides: of an hour that is repeated in autumn both count, one that is left out in spring has
    no moments. No window begins on an excepted date; without ``refuses``, none is open on it either.
    """

    kind: ClassVar[str] = "time_window"
    timezone: str
    days: tuple[str, ...] = DAYS
    start: int = 0
    end: int = _DAY
    excepted: tuple[date, ...] = ()
    refuses: bool = False

    @classmethod
    def read(cls, keys: DocumentKeys, explanation: str | None) -> TimeWindowRule:
        if not keys.values.keys() & {"days", "from", "until", "except"}:
            keys.report("", "needs days, from, until or except: every moment is within it")
        return cls(
            explanation=explanation,
            timezone=keys.take("timezone", _timezone, "UTC", required=True),
            days=tuple(sorted(keys.take("days", list_of(choice(*DAYS)), DAYS), key=DAYS.index)),
            start=keys.take("from", _minutes, 0),
            end=keys.take("until", _minutes, _DAY),
            excepted=tuple(sorted(keys.take("except", list_of(_date), ()))),
            refuses=keys.take("refuse", flag, False),
        )

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset()

    def describe(self) -> str:
        days = "every day" if self.days == DAYS else ", ".join(self.days)
        hours = "" if (self.start, self.end) == (0, _DAY) else f" {_clock(self.start)}-{_clock(self.end)}"
        excepted = f", except {listed([str(one) for one in self.excepted])}" if self.excepted else ""
        return f"{'not ' if self.refuses else ''}{days}{hours} {self.timezone}{excepted}"

    def judge(self, facts: GateFacts, terms: Terms) -> RuleFinding:
        moment = facts.at
        seen = {"at": json_records.as_json(moment), "local": self._local_text(moment)}
        passed = self._accepts(moment)
        remedy = None
        if not passed:
            next_moment = self._next(moment)
            remedy = f"wait until {self._local_text(next_moment)}" if next_moment else "change the window of the policy"
        reason = f"it is {seen['local']}"
        return RuleFinding(passed, reason, seen, "the clock of the database", remedy)

    def _accepts(self, moment: datetime) -> bool:
        """Return whether the window lets pass at a moment."""
        local = moment.astimezone(ZoneInfo(self.timezone))
        today, minute = local.date(), local.hour * 60 + local.minute
        if not self.refuses and today in self.excepted:
            return False
        if self.start < self.end:
            is_within = self.start <= minute < self.end and self._begins_on(today)
        else:
            is_within = (minute >= self.start and self._begins_on(today)) or (
                minute < self.end and self._begins_on(today - timedelta(days=1))
            )
        return is_within is not self.refuses

    def _begins_on(self, day: date) -> bool:
        return DAYS[day.weekday()] in self.days and day not in self.excepted

    def _next(self, moment: datetime) -> datetime | None:
        """Return a moment after *moment* from which the window lets pass, searched at the edges of windows."""
        zone = ZoneInfo(self.timezone)
        today = moment.astimezone(zone).date()
        for ahead in range(_AHEAD):
            day = today + timedelta(days=ahead)
            edges = sorted({0, self.start % _DAY, self.end % _DAY})
            for edge in edges:
                local = datetime.combine(day, time(edge // 60, edge % 60), zone)
                candidate = local.astimezone(UTC)
                if candidate > moment and self._accepts(candidate):
                    return candidate
        return None

    def _local_text(self, moment: datetime) -> str:
        local = moment.astimezone(ZoneInfo(self.timezone))
        return f"{DAYS[local.weekday()]} {local:%Y-%m-%d %H:%M} {self.timezone}"

    def implies(self, old: Rule, terms: Terms, old_terms: Terms) -> bool:
        """Windows that are not the same are weaker: days, hours and dates are compared within one time zone only."""
        if not isinstance(old, TimeWindowRule) or (old.timezone, old.refuses) != (self.timezone, self.refuses):
            return False
        inner, outer = (old, self) if self.refuses else (self, old)
        is_within = outer.start <= inner.start < inner.end <= outer.end or (inner.start, inner.end) == (
            outer.start,
            outer.end,
        )
        return is_within and set(inner.days) <= set(outer.days) and set(outer.excepted) <= set(inner.excepted)


def _wait(duration: timedelta) -> str:
    """Return a duration to wait, rounded up to minutes."""
    return duration_text(duration + timedelta(seconds=59, microseconds=999999))


def _timezone(value: Any) -> str:
    name = text(value)
    try:
        if not name.startswith(_NOT_ZONES) and ZoneInfo(name).key == name:
            return name
    except (KeyError, ValueError, OSError):  # ZoneInfoNotFoundError is a KeyError
        pass
    near = suggestions.hint(suggestions.nearest(name, available_timezones()))
    raise ValueError(f"must be a time zone of the IANA database, such as Europe/Berlin, not {shown(name)}{near}")


def _minutes(value: Any) -> int:
    """Read a time of day as minutes after midnight."""
    match = _TIME.match(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f'must be a time of day from "00:00" to "24:00", not {shown(value)}')
    return int(match[1]) * 60 + int(match[2]) if match[1] else _DAY


def _date(value: Any) -> date:
    if isinstance(value, str) and len(value) == 10:
        with suppress(ValueError):
            return date.fromisoformat(value)
    raise ValueError(f"must be a date such as 2026-12-24, not {shown(value)}")


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"
