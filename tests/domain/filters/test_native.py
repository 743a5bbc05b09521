"""The native dialect of the filter language, as functions from texts to trees."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.errors import Invalid
from registry.domain.filters import keys, native
from registry.domain.filters.keys import OPERATORS, Field, ValueKind
from registry.domain.filters.terms import Absent, And, Condition, Key, Not, Operator, Or, Order, Term, conditions

LISTS = {Operator.IN, Operator.NOT_IN}
TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=12)
# What people and their enemies write: words of the language in any order.
SCRAPS = st.lists(
    st.sampled_from(
        ["name", "tags.a", "metrics.auc", "stage", "(", ")", "AND", "or", "NOT", "IN", "is", "NULL", "LIKE", "'a'", '"',
         "'", "`", "=", "!=", "<", ",", "0.9", "-", "1e400", "tags.", ".", ";", "--", "%", "é", " ", "\n", "NOT IN"]
    ),
    max_size=30,
).map(" ".join)  # fmt: skip


def quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def show_value(value: Any) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(map(show_value, value))})"
    if isinstance(value, datetime):
        return quote(value.isoformat())
    return quote(value) if isinstance(value, str) else repr(value)


# A digest is read in its stored form, and a value that no digest can have is refused.
DIGESTS = st.binary(min_size=32, max_size=32).map(lambda digest: f"sha256:{digest.hex()}")


def show_key(key: Key) -> str:
    return key.field if key.entry is None else f"{key.field}.`{key.entry}`"


def show(term: Term) -> str:
    """A text that means the tree, with parentheses around everything that could need them."""
    match term:
        case And(parts):
            return " AND ".join(f"({show(part)})" for part in parts)
        case Or(parts):
            return " OR ".join(f"({show(part)})" for part in parts)
        case Not(part):
            return f"NOT ({show(part)})"
        case Absent(key):
            return f"{show_key(key)} IS NULL"
        case Condition(key, operator, value):
            return f"{show_key(key)} {operator} {show_value(value)}"


@st.composite
def leaves(draw: st.DrawFn) -> Term:
    name = draw(st.sampled_from(sorted(keys.VERSIONS.fields)))
    field = keys.VERSIONS.fields[name]
    entry = draw(TEXTS.filter(lambda text: text and "`" not in text)) if field.entries else None
    key = Key(name, entry)
    if draw(st.booleans()) and draw(st.booleans()):
        return Absent(key)
    operator = draw(st.sampled_from([one for one in Operator if one in OPERATORS[field.kind]]))
    value = DIGESTS if name == "dataset.digest" else values(field)
    return Condition(
        key, operator, draw(st.lists(value, min_size=1, max_size=3).map(tuple) if operator in LISTS else value)
    )


def values(field: Field) -> st.SearchStrategy[Any]:
    if field.choices:
        return st.sampled_from(field.choices).map(str)
    return {
        ValueKind.TEXT: TEXTS,
        ValueKind.NUMBER: st.floats(allow_nan=False, allow_infinity=False),
        ValueKind.WHOLE: st.integers(),
        ValueKind.TIME: st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001  # hypothesis puts the zone in
    }[field.kind]


def joined(parts: st.SearchStrategy[Term]) -> st.SearchStrategy[Term]:
    several = st.lists(parts, min_size=2, max_size=3).map(tuple)
    return several.map(And) | several.map(Or) | parts.map(Not)


@given(st.recursive(leaves(), joined, max_leaves=6))
def test_a_tree_that_is_written_out_is_read_back(term: Term) -> None:
    text = show(term)

    if len(text) <= native.MOST_CHARACTERS:
        assert native.parse(keys.VERSIONS, text) == term


@given(SCRAPS | st.text(max_size=200))
def test_every_text_is_a_filter_or_refused(text: str) -> None:
    for read in (native.parse, native.parse_order):
        says = "filter: "
        try:
            read(keys.VERSIONS, text)
        except Invalid as refusal:
            says = refusal.detail
        assert says.startswith(("filter: ", "order_by: "))


@pytest.mark.parametrize(
    ("text", "column", "says"),
    [
        ("colour = 'red'", 1, "there is no key colour; keys are alias, code.branch, code.commit, created_at"),
        ("name = 'a' AND colour = 'red'", 16, "there is no key colour"),
        ("name == 'a'", 7, "expected a text in quotes, not ="),
        ("name > 'a'", 6, "name compares with =, !=, LIKE, ILIKE, NOT LIKE, NOT ILIKE, IN, NOT IN"),
        ("metrics.auc LIKE '1'", 13, "metrics.auc compares with =, !=, <, <=, >, >=, IN, NOT IN"),
        ("metrics.auc > 'x'", 15, "expected a number, not 'x'"),
        ("metrics.auc > 1e999", 15, "too large"),
        ("metrics > 1", 1, "metrics needs a key"),
        ("tags.`` = 'x'", 1, "tags needs a key"),
        ("version > 1.5", 11, "expected a whole number, not 1.5"),
        ("name = a", 8, "expected a text in quotes, not a"),
        ("name = 'a", 8, "nothing closes the quote '"),
        ('name = "a', 8, 'nothing closes the quote "'),
        ("tags.`a = 'x'", 5, "cannot read '.'"),
        ("name", 5, "expected an operator"),
        ("name =", 7, "expected a text in quotes, not the end"),
        ("name = 'a' name = 'b'", 12, "expected AND, OR or the end, not name"),
        ("name = 'a' AND", 15, "expected a key, not the end"),
        ("(name = 'a'", 12, "expected ) for the ( at column 1, not the end"),
        ("name = 'a')", 11, "expected AND, OR or the end, not )"),
        ("name IN 'a'", 9, "expected a list in parentheses"),
        ("name IN ()", 10, "expected a text in quotes, not )"),
        ("name IN ('a',)", 14, "expected a text in quotes, not )"),
        ("name IN ('a' 'b')", 14, "expected a comma or the ) of the list"),
        ("name IS 'a'", 9, "expected NULL after IS or IS NOT"),
        ("name NOT 'a'", 6, "expected an operator"),
        ("stage = 'Production'", 9, "it is one of none, staging, production, archived, never 'Production'"),
        ("status IN ('ready', 'gone')", 21, "it is one of unverified, pending, ready, failed, never 'gone'"),
        ("created_at > 'yesterday'", 14, "expected a time in quotes, like '2026-11-21T13:05:02Z'"),
        ("created_at > '2026-02-30'", 14, "expected a time in quotes"),
        ("created_at > '2026-11-21T13:05:02'", 14, "expected a time in quotes"),
        ("created_at > '0001-01-01T00:00:00+14:00'", 14, "expected a time in quotes"),
        ("created_at > 5", 14, "expected a time in quotes"),
        ("name = 'a'; DROP TABLE models", 11, "cannot read ';'"),
        ("name = 'a' -- x", 12, "cannot read '-'"),
        ("name = 'a\x00'", 10, "U+0000 cannot be stored"),
        ("name = '\ud800'", 9, "U+D800 cannot be stored"),
        ("(" * 21 + "name = 'a'" + ")" * 21, 21, "more than 20 levels"),
        ("NOT " * 30 + "name = 'a'", 81, "more than 20 levels"),
    ],
)  # fmt: skip
def test_an_error_names_its_column(text: str, column: int, says: str) -> None:
    with pytest.raises(Invalid) as refused:
        native.parse(keys.VERSIONS, text)

    assert refused.value.detail.startswith(f"filter: column {column}: ")
    assert says in refused.value.detail
    assert list(refused.value.extras["errors"]) == ["filter"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x" * 40_001, "has 40001 characters; at most 40000 are allowed"),
        (" OR ".join(["name='a'"] * 21), "has 21 conditions; at most 20 are allowed"),
        ("name IN (" + ", ".join(["'a'"] * 1001) + ")", "a list has at most 1000 values"),
    ],
)
def test_a_filter_has_its_limits(text: str, says: str) -> None:
    with pytest.raises(Invalid, match=says):
        native.parse(keys.VERSIONS, text)


def test_twenty_conditions_and_twenty_levels_are_allowed() -> None:
    wide = native.parse(keys.MODELS, " OR ".join(["name='a'"] * 20))
    deep = native.parse(keys.MODELS, "(" * 20 + "name='a'" + ")" * 20)

    assert (len(list(conditions(wide))), len(list(conditions(deep)))) == (20, 1)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("name='a'", "name = 'a'"),
        ("name = 'a'", 'name = "a"'),
        ("name not  in ('a','b')", "name NOT IN ( 'a' , 'b' )"),
        ("run_id = 'x'", "run.id = 'x'"),
        ("attribute.name = 'x'", "name = 'x'"),
        ("tag.a = 'x'", "tags.`a` = 'x'"),
        ("tags.\"a\" = 'x'", "tags.a = 'x'"),
        ("tags.mlflow.source-type/x = 'y'", "tags.`mlflow.source-type/x` = 'y'"),
        ("param.a='1' and metric.b<=-.5e1", "params.a = '1' AND metrics.b <= -5"),
        ("version in (1, 2)", "version_number IN (1,2)"),
        ("not alias is null", "NOT (alias IS NULL)"),
        ("alias IS NOT NULL", "NOT alias IS NULL"),
        ("name='a' or name='b' and name='c'", "name='a' OR (name='b' AND name='c')"),
        ("not name='a' and name='b'", "(NOT name='a') AND name='b'"),
        ("created_at > '2026-11-21'", "created_at > '2026-11-21T01:00:00+01:00'"),
    ],
)
def test_these_mean_the_same(text: str, same: str) -> None:
    assert native.parse(keys.VERSIONS, text) == native.parse(keys.VERSIONS, same)


def test_a_doubled_quote_is_one_and_a_blank_filter_asks_for_everything() -> None:
    assert native.parse(keys.VERSIONS, "name = 'it''s'") == Condition(Key("name"), Operator.EQ, "it's")
    assert native.parse(keys.VERSIONS, " \n") == And(())


def test_a_time_is_an_instant_in_utc() -> None:
    found = native.parse(keys.VERSIONS, "created_at <= '2026-11-21T13:05:02.5-02:00'")

    moment = datetime(2026, 11, 21, 15, 5, 2, 500_000, tzinfo=UTC)
    assert found == Condition(Key("created_at"), Operator.LE, moment)
    assert isinstance(found, Condition)
    assert found.value.tzinfo.utcoffset(None) == timedelta(0)  # type: ignore[union-attr]  # a time, as asserted


def test_an_order_is_keys_with_directions() -> None:
    found = native.parse_order(keys.VERSIONS, "metrics.auc desc, tags.`a b`,version ASC")

    assert found == (
        Order(Key("metrics", "auc"), descending=True), Order(Key("tags", "a b")), Order(Key("version_number"))
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("colour", "column 1: there is no key colour"),
        ("alias", "column 1: alias can have several values, so it gives no order"),
        ("name, dataset.digest DESC", "column 7: dataset.digest can have several values"),
        ("name DOWN", "column 6: expected ASC, DESC, a comma or the end, not DOWN"),
        ("name,", "column 6: expected a key, not the end"),
        ("name name", "column 6: expected ASC"),
        ("name = 'a'", "column 6: expected ASC"),
        (", ".join(["name"] * 6), "has 6 keys; at most 5 are allowed"),
    ],
)
def test_an_invalid_order_is_refused_with_its_column(text: str, says: str) -> None:
    with pytest.raises(Invalid) as refused:
        native.parse_order(keys.VERSIONS, text)

    assert refused.value.detail.startswith(f"order_by: {says}")


@pytest.mark.parametrize(
    "unit", ["(", "NOT ", "'", '"', "`", "a.", "1", "1.", "a ", "tags.`", "''", "name='", " ", "-", "é"]
)
def test_a_text_made_to_be_slow_is_answered(unit: str) -> None:
    text = (unit * 1000)[:1000]

    for tail in ("", "!", "'"):
        for read in (native.parse, native.parse_order):
            try:
                read(keys.VERSIONS, text[: 1000 - len(tail)] + tail)
            except Invalid:
                continue
