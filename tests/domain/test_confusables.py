"""Names that look alike: their skeletons, and which of them count as one."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain import confusables
from registry.rules import names
from tests.api.hostile import names as model_names

# Rows of Unicode's confusables.txt: each is the skeleton of the other, or both have one.
PAIRS = [("m", "rn"), ("\u0430", "a"), ("\u043e", "o"), ("\u03c1", "p"), ("1", "l"), ("I", "l"), ("0", "O"),
         ("\u0455", "s"), ("\u0501", "d"), ("\uff41", "a"), ("\u2170", "i"), ("\u13aa", "A")]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_confusable_texts_share_a_skeleton(one: str, other: str) -> None:
    assert confusables.skeleton(f"x{one}y") == confusables.skeleton(f"x{other}y")


@given(st.text(max_size=20))
def test_a_skeleton_is_its_own(text: str) -> None:
    bare = confusables.skeleton(text)

    assert confusables.skeleton(bare) == bare
    assert confusables.skeleton(unicodedata.normalize("NFD", text)) == bare


@given(st.text(min_size=1, max_size=20))
def test_every_name_looks_like_itself_in_any_case(name: str) -> None:
    assert confusables.look(name) in confusables.looks(name)
    assert confusables.look(names.name_key(name)) == confusables.look(name)
    assert len(confusables.look(name)) == 64


@pytest.mark.parametrize("name", [name for _, name in model_names.ALIKE])
def test_other_letters_look_like_the_name_and_mix_scripts(name: str) -> None:
    assert confusables.look("fraud") in confusables.looks(name)
    assert confusables.mix_scripts(name, "fraud")


@pytest.mark.parametrize(
    ("one", "other"),
    [("model1", "modell"), ("v0", "vO"), ("learn", "leam"), ("\u30ed", "\u53e3"), ("team-2", "team-z")],
)
def test_names_of_one_script_are_told_apart_by_their_readers(one: str, other: str) -> None:
    assert not confusables.mix_scripts(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("mode\u0399", "model"),
        ("\u0406d", "id"),
        ("\u041c\u041eDEL", "model"),
        ("\u0455\u0441\u043e\u0440\u0435", "scope"),
    ],
)
def test_capitals_of_other_scripts_look_like_small_letters_and_like_capitals(one: str, other: str) -> None:
    assert confusables.look(other) in confusables.looks(one)


def test_an_error_names_the_characters() -> None:
    assert confusables.foreign("fr\u0430ud \u0430") == "U+0430 CYRILLIC SMALL LETTER A"
    assert confusables.foreign("fraud") == ""
