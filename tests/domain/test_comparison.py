"""Comparison of facts by itself: what differs, what is missing and why, and how much is listed."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from registry.domain import signature_columns
from registry.domain.comparison import (
    ROWS,
    Absence,
    CellKind,
    Change,
    ComparedFact,
    Line,
    RowName,
    compare_lines,
    delta,
)

FACTS = st.one_of(
    st.sampled_from(Absence),
    st.builds(lambda value: ComparedFact(value, value, CellKind.NUMBER), st.floats() | st.integers()),
    st.builds(
        lambda keys: ComparedFact(sorted(keys), frozenset(keys)), st.frozensets(st.sampled_from("abc"), min_size=1)
    ),
)
LINES = st.integers(2, 6).flatmap(
    lambda versions: st.lists(
        st.tuples(
            st.builds(RowName, st.just(""), st.text(max_size=3)), st.lists(FACTS, min_size=versions, max_size=versions)
        ),
        max_size=8,
    )
)


@given(lines=LINES, everything=st.booleans())
def test_every_line_is_listed_counted_or_named_and_no_cell_hides_a_difference(
    lines: list[Line], everything: bool
) -> None:
    section = compare_lines("metrics", lines, everything=everything)

    equal = [row for row in section.rows if row.is_equal]
    assert len(lines) == len(section.rows) - len(equal) + section.equal + len(section.unrecorded) + len(
        section.unknown_facts
    )
    assert len(equal) == (section.equal if everything else 0)
    for row in section.rows:
        first = row.cells[0]
        assert (first.change, first.delta) == (Change.SAME, None)
        for cell in row.cells:
            assert (cell.value is None) == (cell.absence is not None)
            unknown = Absence.UNKNOWN in (first.absence, cell.absence)
            assert (cell.change is Change.UNDECIDED) == (unknown and cell is not first)
            if cell.change is Change.SAME and not unknown:
                assert (first.value is None) == (cell.value is None)


def test_equal_rows_never_displace_rows_that_differ() -> None:
    one, other = ComparedFact("a", "a"), ComparedFact("b", "b")
    lines = [(RowName("", f"{n:05}"), [one, one if n < 2 * ROWS else other]) for n in range(3 * ROWS)]

    differences, everything = compare_lines("tags", lines), compare_lines("tags", lines, everything=True)

    assert (len(differences.rows), differences.omitted, differences.equal) == (ROWS, 0, 2 * ROWS)
    assert (len(everything.rows), everything.omitted) == (ROWS, 2 * ROWS)
    assert not any(row.is_equal for row in everything.rows)


@given(first=st.floats() | st.integers(), other=st.floats() | st.integers())
@example(first=0, other=-0.0)
@example(first=10**400, other=1.5)
@example(first=5e-324, other=1e308)
def test_a_delta_can_always_be_written_as_json(first: float, other: float) -> None:
    difference = delta(first, other)

    if difference is not None:
        json.dumps([difference.absolute, difference.percent], allow_nan=False)


JSON: Any = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "type", "required", "x"]), inner)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["inputs", "outputs", "other"]), JSON | JSON.map(json.dumps)))
@example({"inputs": '[{"name": "\\ud800", "type": "double"}]'})
@example({"inputs": "[" * 100_000})
def test_columns_of_any_signature_have_distinct_names_and_texts_that_can_be_sent(signature: dict[str, Any]) -> None:
    columns = list(signature_columns.columns(signature))

    assert len({(column.part, column.name) for column in columns}) == len(columns)
    for column in columns:
        "".join(column).encode()


def test_a_signature_in_mlflows_form_is_shown_column_by_column() -> None:
    inputs = [
        {"name": "amount", "type": "double"},
        {"type": "long", "required": False},
        {"name": "image", "type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 3]}},
    ]

    columns = signature_columns.columns({"inputs": json.dumps(inputs), "version": {"a": 1}})

    assert [tuple(column) for column in columns] == [
        ("inputs", "amount", "double"),
        ("inputs", "1", "long, optional"),
        ("inputs", "image", "tensor float64[-1,3]"),
        ("", "version", '{"a":1}'),
    ]
