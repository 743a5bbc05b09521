"""Rules about metrics: a threshold, and the comparison with the version in production.

A rule reads the latest value on each dataset. Where it names no dataset, or one that has several digests, the values on
all of them must satisfy it, because the one that the author meant is among them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Any, ClassVar

from registry.rules import metric_directions, names, slices
from registry.rules.listing import listed
from registry.rules.policies import json_records
from registry.rules.policies.canonical import number as number_text
from registry.rules.policies.facts import GateFacts, MetricFact, Need
from registry.rules.policies.reading import DocumentKeys, checked, choice, number, text
from registry.rules.policies.rule import Rule, Terms
from registry.rules.policies.verdicts import RuleFinding

_DIGESTS = ":"  # the name of a dataset with a colon is a digest
_FIRST_PROMOTION = ("allowed", "refused")


@dataclass(frozen=True, slots=True)
class Measured:
    """A metric, on a dataset (a name or a digest; None for any) and on a slice of it (empty for the whole data)."""

    metric: str
    dataset: str | None
    slice: str

    @classmethod
    def read(cls, keys: DocumentKeys) -> Measured:
        metric = keys.take("metric", checked(names.tag_key_problem), "", required=True)
        return cls(metric, keys.take("dataset", text), keys.take("slice", _slice, ""))

    def __str__(self) -> str:
        return f"{self.metric}{self.place}"

    @property
    def place(self) -> str:
        """The dataset and the slice as they end a description."""
        parts = [_abbreviated(self.dataset)] if self.dataset else []
        parts += [f"slice {self.slice}"] if self.slice else []
        return f" on {', '.join(parts)}" if parts else ""

    def latest(self, metrics: Iterable[MetricFact]) -> dict[str | None, MetricFact]:
        """Return the latest matching value of each dataset, by its digest, or by its name where it has none."""
        values: dict[str | None, MetricFact] = {}
        for one in sorted(metrics, key=lambda fact: (fact.recorded_at, fact.id)):
            is_named = self.dataset is None or self.dataset in {one.dataset, one.dataset_digest}
            if one.metric == self.metric and one.slice == self.slice and is_named:
                values[one.dataset_digest or one.dataset] = one
        return values

    def command(self, reference: str) -> str:
        """Return the command that records a value."""
        data = f" --data {self.dataset or 'DATA'}" if self.dataset or self.slice else ""
        part = f" --slice {self.slice}" if self.slice else ""
        return f"registry version measure {reference} {self.metric}=VALUE{data}{part}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricRule(Rule):
    """The latest value of a metric on each dataset is within bounds."""

    kind: ClassVar[str] = "metric"
    measured: Measured
    at_least: float | None = None
    at_most: float | None = None

    @classmethod
    def read(cls, keys: DocumentKeys, explanation: str | None) -> MetricRule:
        measured = Measured.read(keys)
        has_bound = bool(keys.values.keys() & {"at_least", "at_most"})
        at_least, at_most = keys.take("at_least", number), keys.take("at_most", number)
        if not has_bound:
            keys.report("", "needs at_least or at_most")
        if at_least is not None and at_most is not None and at_least > at_most:
            keys.report("at_least", f"must not be above at_most, {number_text(at_most)}")
        return cls(explanation=explanation, measured=measured, at_least=at_least, at_most=at_most)

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({Need.METRICS})

    @property
    def bounds(self) -> str:
        """The bounds as a text: ``>= 0.9``, ``<= 5``, or both."""
        parts = [(">=", self.at_least), ("<=", self.at_most)]
        return " and ".join(f"{sign} {number_text(bound)}" for sign, bound in parts if bound is not None)

    def describe(self) -> str:
        return f"{self.measured.metric} {self.bounds}{self.measured.place}"

    def judge(self, facts: GateFacts, terms: Terms) -> RuleFinding:
        values = list(self.measured.latest(facts.metrics or ()).values())
        remedy = f"record an evaluation with {self.describe()}: {self.measured.command(facts.reference)}"
        if not values:
            return RuleFinding(False, f"{self.measured} was not measured", remedy=remedy)
        wrong = [one for one in values if not self._accepts(one.value)]
        shown = wrong or values
        reason = f"{self.measured.metric} is {listed([_seen(one) for one in shown])}"
        if wrong and len({one.dataset_digest or one.dataset for one in values}) > 1:
            remedy += "; or name one dataset in the rule: without it, the values on all datasets must satisfy it"
        return RuleFinding(
            not wrong,
            reason,
            [_input(one) for one in shown],
            listed([_origin(one) for one in shown], "; "),
            remedy if wrong else None,
        )

    def _accepts(self, value: float) -> bool:
        if not math.isfinite(value):
            return False
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)

    def implies(self, old: Rule, terms: Terms, old_terms: Terms) -> bool:
        return (
            isinstance(old, MetricRule)
            and self.measured == old.measured  # the values on all data do not show that a named one has a value
            and (old.at_least is None or (self.at_least is not None and self.at_least >= old.at_least))
            and (old.at_most is None or (self.at_most is not None and self.at_most <= old.at_most))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductionMetricRule(Rule):
    """A metric is better than that of the version in production, or not much worse, on the same data.

    ``by``: at least this much better. ``tolerance``: at most this much worse. Neither: no worse.
    """

    kind: ClassVar[str] = "metric_against_production"
    measured: Measured
    is_higher_better: bool = True
    by: float | None = None
    tolerance: float | None = None
    allows_first: bool = True

    @classmethod
    def read(cls, keys: DocumentKeys, explanation: str | None) -> ProductionMetricRule:
        measured = Measured.read(keys)
        better = keys.take("better", choice("higher", "lower"))
        known = metric_directions.direction(measured.metric)
        if better is None and known is None and measured.metric:
            keys.report("better", f"is required: whether higher or lower {measured.metric} is better is not known")
        by, tolerance = keys.take("by", _amount), keys.take("tolerance", _amount)
        if by is not None and tolerance is not None:
            keys.report("tolerance", "must not stand with by: a version is better, or not much worse")
        first = keys.take("first_promotion", choice(*_FIRST_PROMOTION), "allowed")
        return cls(
            explanation=explanation,
            measured=measured,
            is_higher_better=better == "higher" if better else known is metric_directions.MetricDirection.MAX,
            by=by,
            tolerance=tolerance,
            allows_first=first == "allowed",
        )

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({Need.METRICS, Need.HOLDER})

    @property
    def margin(self) -> Decimal:
        """How much better a value must be; negative where it may be worse."""
        return _exact(self.by) if self.by is not None else _exact(self.tolerance or 0.0).copy_negate()

    def describe(self) -> str:
        better = "higher" if self.is_higher_better else "lower"
        if self.by is not None:
            how = f"better than in production by {number_text(self.by)}"
        elif self.tolerance:
            how = f"worse than in production by {number_text(self.tolerance)} at most"
        else:
            how = "no worse than in production"
        return f"{self.measured.metric} {how}{self.measured.place} ({better} is better)"

    def judge(self, facts: GateFacts, terms: Terms) -> RuleFinding:
        holder = facts.holder
        assert holder is not None  # noqa: S101 -- a need of the rule
        if holder.number is None:
            return RuleFinding(
                self.allows_first,
                "no version has been in production",
                source="the history of the model's stages",
                remedy=None if self.allows_first else "set first_promotion: allowed in the rule, or use break-glass",
            )
        whose = f"{facts.model}:{holder.number}"
        if holder.number == facts.version:
            return RuleFinding(True, f"{whose} is itself the version that it would be compared with")
        whose = f"{whose} ({'in' if holder.is_present else 'the last one in'} production)"
        theirs, ours = self.measured.latest(holder.metrics), self.measured.latest(facts.metrics or ())
        if not theirs:
            command = self.measured.command(f"{facts.model}:{holder.number}")
            return RuleFinding(False, f"{self.measured} was not measured on {whose}", remedy=f"record it: {command}")
        pairs = [(ours.get(data), value) for data, value in theirs.items()]
        wrong = [(own, their) for own, their in pairs if own is None or not self._accepts(own.value, their.value)]
        shown = wrong or pairs
        compared = [f"{_seen(own) if own else 'not measured,'} against {_seen(their)}" for own, their in shown]
        reason = listed(compared, "; ")
        return RuleFinding(
            not wrong,
            f"{self.measured.metric} is {reason} of {whose}",
            [{"value": own and _input(own), "production": _input(their)} for own, their in shown],
            listed([_origin(one) for pair in shown for one in pair if one], "; "),
            self._remedy(facts.reference) if wrong else None,
        )

    def _remedy(self, reference: str) -> str:
        advice = "" if self.measured.dataset else "; or name one dataset in the rule"
        command = self.measured.command(reference)
        return f"record an evaluation on the same data as in production, with {self.describe()}: {command}{advice}"

    def _accepts(self, own: float, their: float) -> bool:
        if not (math.isfinite(own) and math.isfinite(their)):
            return False
        better, worse = (own, their) if self.is_higher_better else (their, own)
        return _EXACTLY.subtract(_exact(better), _exact(worse)) >= self.margin

    def implies(self, old: Rule, terms: Terms, old_terms: Terms) -> bool:
        return (
            isinstance(old, ProductionMetricRule)
            and self.measured == old.measured  # the values on all data do not show that a named one has a value
            and self.is_higher_better is old.is_higher_better
            and self.margin >= old.margin
            and (old.allows_first or not self.allows_first)
        )


_EXACTLY = Context(prec=1000)  # the digits of two floats stand in at most 650 places


def _exact(value: float) -> Decimal:
    """Return the number as it is written: 0.3 is 0.2 and 0.1 more, which no binary fractions are."""
    return Decimal(repr(value))


def _amount(value: Any) -> float:
    amount = number(value)
    if amount < 0:
        raise ValueError(f"must not be negative, not {number_text(amount)}")
    return amount


def _slice(value: Any) -> str:
    return slices.canonical(text(value))


def _abbreviated(dataset: str | None) -> str:
    """Return a dataset's name, or the first digits of its digest."""
    algorithm, colon, rest = (dataset or "").partition(_DIGESTS)
    return f"{algorithm}:{rest[:12]}" if colon and len(rest) > 12 else str(dataset)


def _seen(one: MetricFact) -> str:
    place = one.dataset or one.dataset_digest
    on = f" on {_abbreviated(place)}" if place else " without a dataset"
    value = number_text(one.value) if math.isfinite(one.value) else json_records.number_as_json(one.value)
    return f"{value}{on}"


def _origin(one: MetricFact) -> str:
    place = f", dataset {_abbreviated(one.dataset or one.dataset_digest)}" if one.dataset or one.dataset_digest else ""
    part = f", slice {one.slice}" if one.slice else ""
    return f"metric {one.metric}{place}{part}, recorded {json_records.as_json(one.recorded_at)} by {one.recorded_by}"


def _input(one: MetricFact) -> dict[str, Any]:
    value = json_records.number_as_json(one.value)
    return {"id": one.id, "value": value, "dataset": one.dataset, "dataset_digest": one.dataset_digest}
