"""Parsing of arguments: references, names, times, key=value pairs."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from registry.rules.time_texts import read_time

if TYPE_CHECKING:
    from registry.rules.references import Reference

    Param = click.ParamType[Any]
else:
    Param = click.ParamType  # it is generic since click 8.5 only

Pair = tuple[str, str]
Metric = tuple[str, float, str | None]  # key, value, and what names its dataset


class ReferenceParam(Param):
    """``fraud``, ``fraud:7``, ``fraud@champion``, ``fraud#production``, ``models:/fraud/7``."""

    name = "reference"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Reference:
        from registry.rules.references import Reference, parse

        if isinstance(value, Reference):
            return value
        try:
            return parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class ModelParam(Param):
    """A model's name, without a selector."""

    name = "model"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from registry.rules.references import model_problem

        if problem := model_problem(value):
            self.fail(f"{value!r}: {problem}; write the name of the model alone, as in fraud", param, ctx)
        return str(value)


class AliasParam(ReferenceParam):
    """``fraud@champion``."""

    name = "model@alias"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Reference:
        reference = super().convert(value, param, ctx)
        if reference.alias is None:
            self.fail(f"{value!r} names no alias; write fraud@champion", param, ctx)
        return reference


class NumberParam(ReferenceParam):
    """``3``, or ``fraud:3`` where the model is known already: the model or None, and the number."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        if re.fullmatch("[1-9][0-9]{0,17}", value):
            return None, int(value)
        reference = super().convert(value, param, ctx) if ":" in value else None
        if reference is None or reference.version is None:
            self.fail(f"{value!r} is no version's number; write 3 or fraud:3", param, ctx)
        return reference.model, reference.version


class TimeParam(Param):
    """A time; see ``rules.time_texts``."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return read_time(value, now=datetime.now(UTC))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class DurationParam(Param):
    """A span of time in seconds, written as ``30s``, ``5m``, ``2h`` or ``1d``."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        match = re.fullmatch(r"([1-9][0-9]{0,5})([smhd])", value)
        if match is None:
            self.fail(f"{value!r} is not a duration; write 30s, 5m, 2h or 1d", param, ctx)
        return float(match[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[match[2]]


class PairParam(Param):
    """``key=value``."""

    name = "key=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Pair:
        if isinstance(value, tuple):
            return value
        key, equals, text = value.partition("=")
        if not equals or not key:
            self.fail(f"{value!r} is not key=value", param, ctx)
        return key, text


class MetricParam(PairParam):
    """``key=number`` or ``key=number@dataset``."""

    name = "key=number[@dataset]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        key, number_text = super().convert(value, param, ctx)
        text, at, dataset = number_text.partition("@")
        if at and not dataset:
            self.fail(f"{number_text!r} names no dataset after @", param, ctx)
        try:
            number = float(text)
        except (TypeError, ValueError):
            self.fail(f"{text!r} is not a number", param, ctx)
        if not math.isfinite(number):
            self.fail(f"{key}: {text} is not a finite number", param, ctx)
        return key, number, dataset or None


class SliceParam(Param):
    """A slice of a dataset, in its canonical form."""

    name = "key=value[,key=value]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from registry.rules import slices

        try:
            return slices.canonical(value)
        except ValueError as error:
            self.fail(f"{value!r} {error}", param, ctx)


class CurrentParam(Param):
    """The holder that the caller saw: a version's number, or ``none``."""

    name = "number|none"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "none":
            return None
        try:
            return int(value)
        except (TypeError, ValueError):
            if isinstance(value, str):
                self.fail(f"{value!r} is neither a version's number nor 'none'", param, ctx)
            return value  # the default, which means "not given"


REFERENCE = ReferenceParam()
NUMBER = NumberParam()
MODEL = ModelParam()
ALIAS = AliasParam()
TIME = TimeParam()
DURATION = DurationParam()
PAIR = PairParam()
METRIC = MetricParam()
SLICE = SliceParam()


def distinct(pairs: Iterable[tuple[str, Any]], option: str) -> dict[str, Any]:
    """Return the pairs as a dict; raises UsageError for a key that is given twice."""
    by_key: dict[str, Any] = {}
    for key, value in pairs:
        if key in by_key:
            raise click.UsageError(f"{option} {key!r} is given twice.")
        by_key[key] = value
    return by_key
