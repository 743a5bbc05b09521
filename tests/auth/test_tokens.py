"""The form of a token: typos are refused without asking anybody."""

from __future__ import annotations

import random
import re

import pytest

from registry.auth import tokens
from registry.auth.authenticate import bearer
from tests.api.hostile.credentials import ALPHABET, sealed

PEPPER = b"pepper"
LOOK_ALIKES = 100_000
SCANNER = re.compile(r"\bmr[psb]_[0-9A-Za-z]{50}\b")


@pytest.fixture(scope="module")
def token() -> str:
    return tokens.issue("p", pepper=PEPPER).text


def test_a_token_has_the_form_that_scanners_look_for(token: str) -> None:
    for kind in "psb":
        new = tokens.issue(kind, pepper=PEPPER)
        assert SCANNER.fullmatch(new.text)
        assert len(new.text) == 54
        ids = tokens.lookup_id(new.text), tokens.session_id(new.text)
        assert ids == ((None, new.id) if kind == "s" else (new.id, None))
        assert new.id == new.text[4:16]
        assert new.text == sealed(new.text[:48])
    assert SCANNER.search(f"curl -H 'Authorization: Bearer {token}' https://models.test")


def test_every_typo_of_one_character_is_refused(token: str) -> None:
    typos = [
        token[:at] + other + token[at + 1 :]
        for at in range(len(token))
        for other in ALPHABET + "_-. \n\x00\u00e9"
        if other != token[at]
    ]

    assert len(typos) > 3400
    assert [typo for typo in typos if tokens.lookup_id(typo)] == []


def test_every_exchange_of_two_characters_is_refused(token: str) -> None:
    exchanged = {
        token[:one] + token[other] + token[one + 1 : other] + token[one] + token[other + 1 :]
        for one in range(len(token))
        for other in range(one + 1, len(token))
        if token[one] != token[other]
    }

    assert len(exchanged) > 1000
    assert [typo for typo in exchanged if tokens.lookup_id(typo)] == []


def test_every_character_lost_or_added_is_refused(token: str) -> None:
    lost = [token[:at] + token[at + 1 :] for at in range(len(token))]
    added = [token[:at] + other + token[at:] for at in range(len(token) + 1) for other in ALPHABET + "\n "]

    assert [typo for typo in lost + added if tokens.lookup_id(typo)] == []


def test_random_look_alikes_are_refused() -> None:
    dice = random.Random(6)
    passed = sum(
        tokens.lookup_id("mrp_" + "".join(dice.choices(ALPHABET, k=50))) is not None for _ in range(LOOK_ALIKES)
    )

    assert passed == 0  # one in 62^6 would


def test_tokens_are_not_alike() -> None:
    made = [tokens.issue("p", pepper=PEPPER) for _ in range(2000)]

    assert len({new.id for new in made}) == len({new.hash for new in made}) == 2000
    assert all(len({new.text[at] for new in made}) == 62 for at in range(4, 48))


def test_a_hash_matches_its_token_and_pepper_only(token: str) -> None:
    stored = tokens.keyed_hash(token, pepper=PEPPER)

    assert re.fullmatch("[0-9a-f]{64}", stored)
    assert tokens.matches(token, stored, pepper=PEPPER)
    assert not tokens.matches(token, stored, pepper=b"other")
    assert not tokens.matches(token[:-1], stored, pepper=PEPPER)
    assert not tokens.matches(token, "0" * 64, pepper=PEPPER)
    assert token[16:48] not in stored


def test_a_token_is_random_and_not_reckoned_from_anything() -> None:
    random.seed(1)
    first = tokens.issue("p", pepper=PEPPER).text
    random.seed(1)

    assert tokens.issue("p", pepper=PEPPER).text != first


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("Bearer abc", "abc"), ("bearer abc", "abc"), ("BEARER abc", "abc"), ("Bearer  abc", " abc"), ("Bearer ", ""),
        ("Bearer", ""), (None, None), ("", None), ("Basic abc", None), ("abc", None), ("Bearerabc", None),
        ("Bearer\tabc", None),
        ("Bearer a,b", None), ("Bearer a\u00e9", None), (" Bearer abc", None), ("Token abc", None),
    ],
)  # fmt: skip
def test_a_header_holds_a_token_after_the_word_bearer_only(header: str | None, found: str | None) -> None:
    assert bearer(header) == found
