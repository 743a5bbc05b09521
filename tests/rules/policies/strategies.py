"""Generated policies and facts."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime, timedelta
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from hypothesis import strategies as st

from registry.rules.policies import GateFacts, MetricFact
from tests.rules.policies.tables import AT, FRAME, HOLDOUT, TRAIN

TEXTS = st.sampled_from(["fraud", "auc", "bias", "ann", "bo", "approved", "rejected", "passed", "MIT", "owner", ""])
TIMES = st.integers(-10_000_000, 10_000_000).map(lambda seconds: AT + timedelta(seconds=seconds, microseconds=seconds))
NUMBERS = st.floats() | st.sampled_from([0.0, 0.5, 0.9, 1.0])
METRICS = st.builds(
    MetricFact,
    st.integers(0, 9),
    st.sampled_from(["auc", "rmse"]),
    NUMBERS,
    TIMES,
    TEXTS,
    st.sampled_from([None, "holdout", "train"]),
    st.sampled_from([None, HOLDOUT, TRAIN]),
    st.sampled_from(["", "region=EU"]),
)


def of_type(kind: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for the type of a field of facts."""
    if kind is MetricFact:
        return METRICS
    if hasattr(kind, "__dataclass_fields__"):
        types = get_type_hints(kind)
        return st.builds(kind, **{one.name: of_type(types[one.name]) for one in fields(kind)})
    arguments = get_args(kind)
    if get_origin(kind) is UnionType:
        return st.one_of(*map(of_type, arguments))
    if get_origin(kind) is tuple:
        return st.lists(of_type(arguments[0]), max_size=3).map(tuple)
    if arguments:
        return st.dictionaries(TEXTS, of_type(arguments[1]), max_size=3)
    plain = {str: TEXTS, int: st.integers(0, 9), float: NUMBERS, bool: st.booleans(), datetime: TIMES,
             type(None): st.none()}  # fmt: skip
    return plain[kind]


_TYPES = get_type_hints(GateFacts)
FACTS = st.builds(
    GateFacts,
    **{one.name: of_type(_TYPES[one.name]) for one in fields(GateFacts) if one.name not in {"format", "at"}},
    at=TIMES,
)

_PARTS = {"metric": st.sampled_from(["auc", "rmse"])}
_PLACES = {"dataset": st.sampled_from(["holdout", HOLDOUT]), "slice": st.just("region=EU")}
_BOUNDS = st.sampled_from([0, 0.5, 0.9, 1])


def _rule(kind: str, required: dict[str, Any], optional: dict[str, Any] | None = None) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({"rule": st.just(kind), **required}, optional=optional or {})


RULES = st.one_of(
    _rule("metric", {**_PARTS, "at_least": _BOUNDS}, _PLACES),
    _rule("metric", {**_PARTS, "at_most": _BOUNDS}, _PLACES),
    _rule("metric_against_production", {**_PARTS, "by": _BOUNDS},
          {**_PLACES, "first_promotion": st.sampled_from(["allowed", "refused"])}),
    _rule("required", {"tags": st.lists(st.sampled_from(["owner", "team"]), min_size=1, unique=True)},
          {"signature": st.just(True), "params": st.just({"depth": ["5", "6"]})}),
    _rule("lineage", {"datasets": st.just(True)}, {"clean_commit": st.just(True)}),
    _rule("time_in_staging", {"at_least": st.sampled_from(["1h", "7d"])}),
    _rule("code", {"refs": st.lists(st.sampled_from(["main", "release/*"]), min_size=1, unique=True)}),
    _rule("file_formats", {}, {"allowed": st.just(["json"]), "except": st.just([f"sha256:{'0' * 64}"])}),
    _rule("size", {"at_most": st.integers(0, 9)}),
    _rule("licence", {"allowed": st.lists(st.sampled_from(["MIT", "Apache-2.0"]), min_size=1, unique=True)}),
    _rule("check", {"name": st.just("bias")}),
    _rule("approvals", {"from": st.sampled_from([["group:board"], ["ann", "bo"], ["role:approver", "ann"]])},
          {"count": st.integers(1, 2)}),
    _rule("not_superseded", {}),
    _rule("time_window", {"timezone": st.sampled_from(["UTC", "Europe/Berlin"]),
                          "days": st.lists(st.sampled_from(["mon", "tue"]), min_size=1, unique=True)},
          {"from": st.sampled_from(["09:00", "22:00"]), "until": st.just("16:00"), "refuse": st.booleans()}),
)  # fmt: skip
DOCUMENTS = st.lists(RULES, max_size=4).map(lambda rules: {**FRAME, "production": rules})
