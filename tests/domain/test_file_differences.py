"""Differences of texts and of the packages that they name."""

from __future__ import annotations

import difflib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain import pinned_packages, text_differences
from registry.domain.comparison import Change
from registry.domain.text_differences import TooManySteps

TEXTS = st.lists(st.sampled_from(["a", "b", "c", "", "\u2028x"]), max_size=30).map("\n".join)


@given(first=TEXTS, other=TEXTS)
def test_hunks_have_every_line_that_a_unified_diff_has(first: str, other: str) -> None:
    hunks = text_differences.hunks(first, other)

    signs = {Change.SAME: " ", Change.ADDED: "+", Change.REMOVED: "-"}
    lines = [signs[line.change] + line.text for hunk in hunks for line in hunk.lines]
    wanted = difflib.unified_diff(first.splitlines(), other.splitlines(), lineterm="")
    assert lines == [line for line in list(wanted)[2:] if not line.startswith("@@")]
    for most in (0, 1, 5, 1000):
        listed, omitted = text_differences.limited(hunks, most)
        assert sum(len(hunk.lines) for hunk in listed) + omitted == len(lines)
        assert sum(len(hunk.lines) for hunk in listed) <= most


def test_lines_that_repeat_in_different_orders_are_refused_in_bounded_time() -> None:
    before = [str(number * 7919 % 101) for number in range(15_000)]
    after = [str(number * 104729 % 101) for number in range(15_000)]

    with pytest.raises(TooManySteps):
        text_differences.hunks("\n".join(before), "\n".join(after))


@pytest.mark.parametrize(
    ("path", "first", "other", "differences"),
    [
        (
            "conf/requirements.txt",
            "# made by pip\nNumPy==1.26.4 \\\n    --hash=sha256:00\n"
            "scikit_learn[extra]>=1.4 ; python_version>'3'\nold\n-r x.txt\n",
            "numpy==2.0.0\nscikit-learn >=1.4\nnew @ https://example.com/new.whl\n",
            [("new", None, "@ https://example.com/new.whl"), ("numpy", "1.26.4", "2.0.0"), ("old", "any", None)],
        ),
        (
            "conda.yaml",
            "channels:\n- conda-forge\ndependencies:\n- python=3.11.9\n- pip:\n  - mlflow==2.9\n",
            "channels:\n- conda-forge\ndependencies:\n- python=3.12\n- pip:\n  - 'mlflow==2.9'  # pinned\n",
            [("python", "3.11.9", "3.12")],
        ),
        (
            "uv.lock",
            'version = 1\n[[package]]\nname = "a"\nversion = "1"\n[[package]]\nname = "b"\nsource = "x"\n',
            'version = 2\n[[package]]\nname = "a"\nversion = "2"\n',
            [("a", "1", "2")],
        ),
        ("Pipfile.lock", '{"default": {"a": {"version": "==1"}}}', '{"develop": {"a": {}}}', [("a", "1", "any")]),
        ("Pipfile.lock", "[" * 100_000, "no json", None),
        ("model.py", "a==1", "a==2", None),
        ("requirements.txt", "", "\u0661==\u0662", None),
    ],
)
def test_lists_of_packages_are_compared_by_package(
    path: str, first: str, other: str, differences: list[tuple[str, str | None, str | None]] | None
) -> None:
    found = pinned_packages.compare_packages(path, first, other)

    assert (found and [(one.name, one.first, one.other) for one in found]) == differences
