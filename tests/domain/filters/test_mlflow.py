"""MLflow's dialect of the filter language, as functions; that it is MLflow's is tested against MLflow itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.errors import Invalid
from registry.domain.filters import mlflow
from registry.domain.filters.mlflow import MODELS, VERSIONS, Dialect
from registry.domain.filters.terms import Absent, And, Condition, Key, Operator, Or, Order

PROMPT = "tags.`mlflow.prompt.is_prompt`"
PLAIN = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00'\"`\\"), max_size=10)
SCRAPS = st.lists(
    st.sampled_from(
        ["name", "tags.a", "tags.`b c`", "run_id", "version_number", "(", ")", "AND", "OR", "not", "IN", "is", "NULL",
         "LIKE", "'a'", '"', "'", "`", "=", "!=", "<", ",", "5", "0.9", "-", "1e400", "tags.", ".", ";", "--", "/*",
         "*/", "%", "?", "é", "\\", "\\'", "''", " ", "\n", "NOT IN", "('a')", "('a', 'b')", "desc", "attribute.name",
         "timestamp"]
    ),
    max_size=30,
).flatmap(lambda parts: st.sampled_from(["", " "]).map(lambda between: between.join(parts)))  # fmt: skip
LONG = mlflow.MOST_BYTES


def where(text: str, dialect: Dialect = VERSIONS) -> tuple[object, ...]:
    found = mlflow.parse(dialect, text, []).where
    assert isinstance(found, And)
    return found.parts


@given(
    st.lists(
        st.tuples(
            PLAIN.filter(bool),
            st.sampled_from([Operator.EQ, Operator.NE, Operator.LIKE, Operator.ILIKE]),
            PLAIN,
            st.sampled_from("'\""),
            st.sampled_from([" AND ", " and ", "\nAND\n", " "]),
        ),
        max_size=5,
    )
)
def test_conditions_on_tags_are_read_as_they_are_written(
    clauses: list[tuple[str, Operator, str, str, str]],
) -> None:
    text = "".join(
        f"tags.`{key}` {operator} {quote}{value}{quote}{end}" for key, operator, value, quote, end in clauses
    )

    assert not clauses or where(text) == tuple(
        Condition(Key("tags", key), operator, value) for key, operator, value, _, _ in clauses
    )


@given(SCRAPS | st.text(max_size=200))
def test_every_text_is_a_search_or_refused(text: str) -> None:
    for dialect in (MODELS, VERSIONS):
        for filter_, order_by in ((text, []), (None, [text])):
            refused = ""
            try:
                mlflow.parse(dialect, filter_, order_by)
            except Invalid as refusal:
                refused = refusal.detail or "without a word"
            assert refused != "without a word"


@pytest.mark.parametrize("text", ["name = 'a' AND", "AND name = 'a'", "and and name='a' AND  AND"])
def test_an_and_may_be_missing_or_dangle(text: str) -> None:
    assert where(text) == (Condition(Key("name"), Operator.EQ, "a"),)


def test_nothing_asks_for_everything() -> None:
    assert [mlflow.parse(MODELS, text, []).where for text in (None, "")] == [And(()), And(())]


@pytest.mark.parametrize(
    ("text", "also_nothing"),
    [
        ("run_id = ''", True), ("run_id = 'x'", False), ("run_id != 'x'", True), ("run_id != ''", False),
        ("run_id IN ('x', '')", True), ("run_id IN ('x')", False), ("run_id NOT IN ('x')", True),
        ("run_id NOT IN ('')", False), ("run_id LIKE '%'", True), ("run_id LIKE '%%'", True), ("run_id LIKE ''", True),
        ("run_id LIKE '_%'", False), ("source_path ILIKE '%x'", False), ("source_path != 's3://a'", True),
    ],
)  # fmt: skip
def test_what_a_version_does_not_have_is_an_empty_text_to_mlflow(text: str, also_nothing: bool) -> None:
    (found,) = where(text)

    assert isinstance(found, Or) is also_nothing
    assert not isinstance(found, Or) or isinstance(found.parts[1], Absent)


@pytest.mark.parametrize(
    ("text", "hides", "conditions"),
    [
        ("name = 'a'", True, 1),
        (f"{PROMPT} = 'true'", False, 1),
        (f"{PROMPT} = 'TRUE'", False, 1),
        (f"{PROMPT} != 'false'", False, 1),
        (f"{PROMPT} = 'false'", True, 0),
        (f"{PROMPT} != 'true' AND name = 'a'", True, 1),
        (f"{PROMPT} LIKE '%'", True, 0),
        (f"{PROMPT} = 'true' AND {PROMPT} != 'true'", False, 2),
        (f"{PROMPT} != 'true' AND {PROMPT} = 'true'", True, 0),
    ],
)
def test_prompts_are_hidden_unless_the_first_word_on_them_asks(text: str, hides: bool, conditions: int) -> None:
    found = mlflow.parse(MODELS, text, [])

    assert (found.hides_prompts, len(where(text, MODELS))) == (hides, conditions)


def test_ties_are_broken_as_mlflow_does() -> None:
    name, number = Key("name"), Key("version_number")

    assert mlflow.parse(VERSIONS, None, ["version_number"]).order == (Order(number), Order(name))
    assert mlflow.parse(VERSIONS, None, ["name DESC"]).order == (Order(name, True), Order(number, True))
    assert mlflow.parse(MODELS, None, ["timestamp DESC"]).order == (Order(Key("revised_ms"), True), Order(name))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x" * (LONG + 1), f"The filter has {LONG + 1} bytes; at most {LONG} are allowed."),
        (" ".join(["tags.a='x'"] * 101), "The filter has 101 clauses; at most 100 are allowed."),
        ("name = 'a\x00'", "The filter must not hold U+0000."),
        ("name = '\ud800'", "The filter is not Unicode text."),
    ],
)
def test_what_could_harm_is_refused(text: str, says: str) -> None:
    with pytest.raises(Invalid) as refused:
        mlflow.parse(VERSIONS, text, [])

    assert refused.value.detail == says


@pytest.mark.parametrize(
    "unit",
    ["(", ")", "'", '"', "`", "''", "\\'", "a.", "a .", "1", "-1", "1.", "1e", "a ", "a,", "tags.`", "name='", " ", "-",
     "é", "a+", "/*", "--", "# ", "IN(", "IS ", "NOT ", ";", "=", "a=", "%", "$a", ".5"],
)  # fmt: skip
def test_a_text_made_to_be_slow_is_answered(unit: str) -> None:
    for tail, length in (("", LONG // 2), ("!", LONG // 20), ("'", LONG // 20), ("name='a'", LONG // 20)):
        text = (unit * LONG)[: length - len(tail)] + tail
        for filter_, order_by in ((text, []), (None, [text])):
            try:
                mlflow.parse(VERSIONS, filter_, order_by)
            except Invalid:
                continue
