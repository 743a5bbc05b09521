"""Differences of texts and of the packages that they name."""

from __future__ import annotations

import difflib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain import pinned_packages, text_differences
from registry.domain.comparison import Change
from registry.domain.pinned_packages import FILE_BYTES, TooManyPackages
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
        ("Pipfile.lock", "[" * 100_000, "no json", []),
        (
            "linux.conda-lock.yml",
            "version: 1\npackage:\n"
            "- name: NumPy\n  version: '1.26'\n  platform: linux-64\n"
            "- name: numpy\n  version: '1.26'\n  platform: osx-64\n",
            "package:\n- name: numpy\n  version: 1.26\n- name: numpy\n  version: '2.0'\n  dependencies:\n    name: x\n",
            [("numpy", "1.26", "1.26, 2.0")],
        ),
        ("pylock.toml", '[[packages]]\nname = "a"\r\nversion = "1"', "", [("a", "1", None)]),
        ("requirements.txt", f"{'a' * 201}==1", "", []),
        ("requirements.txt", "", "\u0661==\u0662", []),
    ],
)
def test_lists_of_packages_are_compared_by_package(
    path: str, first: str, other: str, differences: list[tuple[str, str | None, str | None]]
) -> None:
    before, after = (pinned_packages.packages(path, text) for text in (first, other))

    found = pinned_packages.compare_packages(before, after)

    assert pinned_packages.is_named(path)
    assert [(one.name, one.first, one.other) for one in found] == differences


@pytest.mark.parametrize("path", ["model.py", "lock", "notes.txt", "my-pylock.toml", "pylock.a.b.toml", "conda-lock"])
def test_a_file_of_another_name_is_no_list_of_packages(path: str) -> None:
    assert not pinned_packages.is_named(path)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("requirements.txt", "\n".join(f"{number:x}" for number in range(30_000))),
        ("Pipfile.lock", "[" + "[]," * 60_000 + "1]"),
        ("uv.lock", "\n" * 200_001),
    ],
)
def test_a_file_of_too_many_packages_is_refused(path: str, text: str) -> None:
    with pytest.raises(TooManyPackages):
        pinned_packages.packages(path, text)


# Each takes hours where the time grows with the square of the length; the suite's timeout ends it before.
@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("requirements.txt", "a" + " " * FILE_BYTES + "&"),
        ("requirements.txt", "a==1" + " " * FILE_BYTES + "--hush"),
        ("requirements.txt", "a" + "." * FILE_BYTES),
        ("requirements.txt", "a" + "[" * FILE_BYTES),
        ("conda.yaml", "- a=1" + " " * FILE_BYTES + "'&"),
        ("conda.yaml", "- a" + " " * FILE_BYTES + "&"),
        ("conda.yaml", " " * FILE_BYTES + "&"),
        ("conda.yaml", "- " + "a:" * (FILE_BYTES // 2)),
        ("uv.lock", "name =" + " " * FILE_BYTES + '"'),
        ("uv.lock", 'name = "' + " " * FILE_BYTES),
        ("conda-lock.yml", "- name:" + " " * FILE_BYTES + '"'),
        ("conda-lock.yml", "- name: a" + "\t" * FILE_BYTES + "b"),
    ],
)
def test_a_hostile_list_of_packages_is_read_in_linear_time(path: str, line: str) -> None:
    assert list(pinned_packages.packages(path, line)) in ([], ["a"])
