"""Which variants of the tests run, and what is said of the others: ``tests/support/variants.py``."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.variants import one_of_each

PLUGIN = ("-p", "tests.support.variants", "-p", "no:cacheprovider")
SUITE = """
import pytest

@pytest.mark.share(1_000_000_007)
@pytest.mark.parametrize("fault", ["kill", "stall", "cut"])
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_fault(database, fault):
    pass
"""
LONG = """
import pytest

@pytest.mark.share(0)
def test_a_long_one():
    pass
"""

CASES = """
def test_many_cases(some_of):
    print(len(some_of(range(10), 3)), "cases of ten")
"""
BY_DATABASE = """
import pytest

@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_statement(database):
    pass

@pytest.mark.parametrize("text", [f"x{number}" for number in range(200)])
def test_a_text(text):
    pass
"""


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A suite of one test with six variants, of which a run takes one."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    pytester.makeini("[pytest]\nmarkers = share slow")
    (pytester.path / "api").mkdir()
    (pytester.path / "api" / "test_faults.py").write_text(SUITE)
    return pytester


@pytest.mark.parametrize("workers", ["0", "1"])
def test_a_run_prints_how_many_variants_it_left_out_and_how_to_run_them(suite: pytest.Pytester, workers: str) -> None:
    result = suite.runpytest_inprocess(*PLUGIN, "-n", workers)

    result.assert_outcomes(passed=1, deselected=None if workers == "1" else 5)
    result.stdout.fnmatch_lines(["5 further variants * left out. *--every-variant*"])


@pytest.mark.parametrize(("selection", "passed"), [(["api"], 0), (["--every-variant"], 1), (["api/test_long.py"], 1)])
def test_a_test_without_any_share_runs_when_it_is_asked_for(
    suite: pytest.Pytester, selection: list[str], passed: int
) -> None:
    (suite.path / "api" / "test_faults.py").unlink()
    (suite.path / "api" / "test_long.py").write_text(LONG)

    result = suite.runpytest_inprocess(*PLUGIN, "-n", "0", *selection)

    result.assert_outcomes(passed=passed, deselected=1 - passed)


def test_a_share_is_of_inputs_and_not_of_databases(suite: pytest.Pytester) -> None:
    (suite.path / "api" / "test_faults.py").unlink()
    (suite.path / "api" / "test_statements.py").write_text(BY_DATABASE)

    result = suite.runpytest_inprocess(*PLUGIN, "-n", "0", "api", "-v")

    result.stdout.fnmatch_lines(["*test_a_statement[[]sqlite]*", "*test_a_statement[[]postgresql]*"])
    assert 20 < result.parseoutcomes()["passed"] < 90


@pytest.mark.parametrize(
    ("selection", "passed"),
    [
        (["api/test_faults.py::test_a_fault[postgresql-stall]"], 1),
        (["api/test_faults.py::test_a_fault[sqlite-stall]"], 1),
        (["api/test_faults.py::test_a_fault"], 6),
        (["api/test_faults.py"], 6),
        (["-k", "postgresql"], 3),
        (["--every-variant"], 6),
    ],
)
def test_what_the_command_line_names_is_never_left_out(
    suite: pytest.Pytester, selection: list[str], passed: int
) -> None:
    result = suite.runpytest_inprocess(*PLUGIN, "-n", "0", *selection)

    result.assert_outcomes(passed=passed, deselected=None if selection[0] != "-k" else 3)
    result.stdout.no_fnmatch_line("*left out*")


@pytest.mark.parametrize(("selection", "tried"), [(["api"], 4), (["--every-variant"], 10), (["api/test_cases.py"], 10)])
def test_a_share_of_the_cases_of_one_test_is_tried(suite: pytest.Pytester, selection: list[str], tried: int) -> None:
    (suite.path / "api" / "test_faults.py").unlink()
    (suite.path / "api" / "test_cases.py").write_text(CASES)

    result = suite.runpytest_inprocess(*PLUGIN, "-n", "0", "-s", *selection)

    result.stdout.fnmatch_lines([f"*{tried} cases of ten*"])


@given(texts=st.integers(24, 60), places=st.integers(5, 60))
def test_a_share_of_many_texts_at_each_place_leaves_out_no_text_and_no_place(texts: int, places: int) -> None:
    tried = one_of_each([(text, place) for text in range(texts) for place in range(places)], 3)

    assert {text for text, _ in tried} == set(range(texts))
    assert {place for _, place in tried} == set(range(places))
