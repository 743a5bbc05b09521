"""Paths of files: what the rules refuse, what they take, which are one, and what checking many of them costs."""

from __future__ import annotations

import tracemalloc
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from time import process_time
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from registry.rules import paths
from tests.api.hostile import paths as corpus

ASSIGNED = st.characters(exclude_categories=["Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"])
PART = st.text(ASSIGNED, min_size=1, max_size=12)
SHORT = st.lists(st.text("aAb.", min_size=1, max_size=2), min_size=1, max_size=4).map("/".join)


def named(rows: Sequence[tuple[str, Any]]) -> list[Any]:
    """The rows that hold a text, as parameters with a name that fits in a line."""
    return [pytest.param(text, id=what) for what, text in rows if isinstance(text, str)]


@pytest.mark.parametrize("path", named(corpus.REFUSED))
def test_a_hostile_path_has_a_problem(path: str) -> None:
    assert paths.problem(path)


@pytest.mark.parametrize("path", named(corpus.LEGAL))
def test_a_legal_path_has_none(path: str) -> None:
    assert paths.problem(path) is None


@pytest.mark.parametrize("path", named(corpus.HARMFUL))
def test_a_path_that_earlier_releases_took_stays_within_a_directory(path: str) -> None:
    assert paths.containment_problem(path) is None


def test_every_character_that_cannot_be_seen_is_refused_in_a_path() -> None:
    points = [point for point in range(0x20000) if unicodedata.category(chr(point)) in {"Cc", "Cf", "Zl", "Zp"}]

    assert [point for point in points if paths.containment_problem(f"a{chr(point)}b") is None] == []
    assert len(points) > 100


@given(st.lists(PART, min_size=1, max_size=5))
def test_a_path_that_is_taken_stays_below_its_directory_however_often_it_is_decoded(parts: list[str]) -> None:
    path = "/".join(parts)
    assume(paths.problem(path) is None)
    depth = path.count("/")

    while True:
        walked = path.split("/")
        assert not {"", ".", "..", ".git"} & {part.lower() for part in walked}
        assert not set("\\:") & set(path)
        assert path.count("/") == depth
        if (plain := unquote(path)) == path:
            return
        path = plain


@given(st.lists(PART, min_size=1, max_size=4))
def test_paths_that_a_case_blind_file_system_takes_for_one_share_a_key(parts: list[str]) -> None:
    path = "/".join(parts)

    assert paths.key(path) == paths.key(unicodedata.normalize("NFD", path)) == paths.key(path.casefold())
    assert paths.key(path).count("/") == path.count("/")


@given(st.lists(SHORT, max_size=6))
def test_clashes_are_those_of_a_file_system_that_does_not_count_case(files: list[str]) -> None:
    lower = [file.lower() for file in files]
    directories = {"/".join(path.split("/")[:depth]) for path in lower for depth in range(1, path.count("/") + 1)}

    found = paths.clashes(files)

    assert bool(found) == (len(set(lower)) < len(lower) or bool(directories & set(lower)))
    assert all(lower.count(lower[index]) > 1 or lower[index] in directories for index in found)


def test_each_of_many_equal_paths_but_the_first_is_named() -> None:
    assert list(paths.clashes(["b", "a", "B", "c", "b"])) == [2, 4]
    assert paths.clashes(["a/b", "a"]) == {1: "is also a directory, of 'a/b'"}


@pytest.mark.parametrize("files", corpus.BESIDE, ids=str)
def test_files_that_may_stand_side_by_side_do(files: list[str]) -> None:
    assert (paths.clashes(files), paths.repositories(files)) == ({}, {})


DEEP: Mapping[str, Callable[[], list[str]]] = {
    "32 levels": lambda: [f"{index:05}/" + "/".join([f"{index:031}"] * 31) for index in range(10_000)],
    "512 levels": lambda: [f"{index:05}/" + "/".join("a" * 509) for index in range(10_000)],
    "combining marks": lambda: ["/".join([f"{index:05}" + "\u0300\u0316" * 60] * 4) for index in range(1_000)],
    "heads": lambda: [f"{index:05}/" + "/".join(["objects", "refs"] * 40) + "/HEAD" for index in range(10_000)],
    "encoded": lambda: [f"{index:05}" + "%2525" * 49 for index in range(10_000)],
}


@pytest.mark.parametrize("kind", DEEP)
def test_ten_thousand_paths_of_a_kilobyte_are_checked_in_seconds_and_megabytes(kind: str) -> None:
    files = DEEP[kind]()
    began = process_time()
    tracemalloc.start()

    for file in files[::10]:
        paths.problem(file)
    paths.clashes(files)
    paths.repositories(files)

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 << 20
    assert process_time() - began < 60
