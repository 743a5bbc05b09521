"""The digest of a manifest: the same for the same files, another for any other."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from registry.domain import manifest
from registry.domain.errors import Invalid
from registry.domain.manifest import File, seal
from registry.rules.paths import key
from tests.api.hostile import paths

SHA256 = st.text("0123456789abcdef", min_size=64, max_size=64)
PATHS = st.text(
    st.characters(codec="utf-8", exclude_categories=["C"], exclude_characters="/\\."), min_size=1, max_size=20
)
FILES = st.lists(
    st.builds(File, PATHS, st.integers(0, 2**53 - 1), SHA256, st.sampled_from(["application/json", "text/plain"])),
    min_size=1,
    max_size=8,
    unique_by=lambda file: key(file.path),
)


@given(FILES, st.randoms(use_true_random=False))
def test_the_order_of_files_makes_no_difference(files: list[File], random: object) -> None:
    shuffled = list(files)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis gives a Random

    assert seal(shuffled) == seal(files)


@given(FILES, st.data())
def test_every_field_of_every_file_makes_a_difference(files: list[File], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(files) - 1))
    others = [
        replace(files[at], path=files[at].path + "x"),
        replace(files[at], size=files[at].size ^ 1),
        replace(files[at], sha256=files[at].sha256[:-1] + ("0" if files[at].sha256[-1] != "0" else "1")),
        replace(files[at], media_type=files[at].media_type + "x"),
    ]

    digests = {seal(files).digest}
    for other in others:
        changed = [*files[:at], other, *files[at + 1 :]]
        assume(len({key(file.path) for file in changed}) == len(changed))
        digests.add(seal(changed).digest)

    assert len(digests) == 5


@given(FILES)
def test_one_file_more_or_less_makes_a_difference(files: list[File]) -> None:
    extra = File("one more", 1, "0" * 64)
    assume("one more" not in {key(file.path) for file in files})

    assert seal([*files, extra]).digest != seal(files).digest


@given(FILES)
def test_sealing_what_was_sealed_changes_nothing(files: list[File]) -> None:
    sealed = seal(files)

    assert seal(sealed.files) == sealed
    assert sealed.size == sum(file.size for file in files)
    assert [file.path.encode() for file in sealed.files] == sorted(file.path.encode() for file in files)


def test_the_digest_is_that_of_the_canonical_list_so_that_anybody_can_reckon_it() -> None:
    files = [File("b", 2, "b" * 64, "text/plain"), File("a", 1, "a" * 64)]
    text = json.dumps(
        [
            {"media_type": "application/octet-stream", "path": "a", "sha256": "a" * 64, "size": 1},
            {"media_type": "text/plain", "path": "b", "sha256": "b" * 64, "size": 2},
        ],
        separators=(",", ":"),
    )

    assert seal(files).digest == "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def test_fields_cannot_flow_into_each_other() -> None:
    apart = {
        seal([File("ab", 1, "0" * 64, "c/d")]).digest,
        seal([File("a", 1, "0" * 64, "bc/d")]).digest,
        seal([File("a", 11, "0" * 64, "c/d")]).digest,
        seal([File("a1", 1, "0" * 64, "c/d")]).digest,
        seal([File('a","size":1', 1, "0" * 64, "c/d")]).digest,
    }

    assert len(apart) == 5


@pytest.mark.parametrize("clash", [pytest.param(clash, id=what) for what, clash in paths.CLASHES])
def test_files_that_clash_are_refused_by_their_index(clash: list[str]) -> None:
    with pytest.raises(Invalid) as refused:
        seal([File("zzz", 1, "0" * 64), *(File(path, 1, "0" * 64) for path in clash)])

    named = refused.value.extras["errors"]["files"]
    assert named
    assert set(named) <= {1, 2}


def test_a_manifest_has_between_one_and_ten_thousand_files() -> None:
    files = [File(f"f{index}", 1, "0" * 64) for index in range(10_001)]

    assert len(seal(files[:10_000]).files) == 10_000
    for wrong in ([], files):
        with pytest.raises(Invalid):
            seal(wrong)


@given(st.text(max_size=70))
def test_only_64_lower_case_hex_digits_are_a_sha256(text: str) -> None:
    plain = len(text) == 64 and not set(text) - set("0123456789abcdef")

    assert (manifest.sha256_problem(text) is None) == plain


@given(SHA256)
def test_a_sha256_with_anything_around_it_is_none(digest: str) -> None:
    assert manifest.sha256_problem(digest) is None
    for wrong in (digest + "\n", "\n" + digest, " " + digest, digest + "0", digest[1:], digest.upper() + "A"):
        assert manifest.sha256_problem(wrong)
