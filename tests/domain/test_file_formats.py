"""Formats of files by their content: what can execute code is never taken for data."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.domain.file_formats import Execution, InMemory, Recognition, named, recognise
from registry.domain.file_formats.json_tokens import JsonTokens
from registry.domain.file_formats.reading import BLOCK
from registry.rules import file_format_names
from tests.support import file_contents

TRIVIAL = st.binary(max_size=200)


def recognised(content: bytes) -> Recognition:
    return recognise(InMemory(content))


def test_every_file_that_executes_code_is_found() -> None:
    executing = file_contents.executing()
    assert len(executing) >= 54

    missed = {name: found for name, content in executing.items()
              if (found := recognised(content)).executes_code is not Execution.YES}  # fmt: skip

    assert missed == {}


def test_data_of_every_format_executes_nothing() -> None:
    data = file_contents.data()
    assert len(data) >= 20

    wrong = {name: found for name, (format_, content) in data.items()
             if ((found := recognised(content)).format, found.executes_code) != (format_, Execution.NO)}  # fmt: skip

    assert wrong == {}
    assert {format_ for format_, _ in data.values()} >= set(file_format_names.DATA)


def test_a_file_that_contradicts_itself_is_unreadable() -> None:
    wrong = {name: found for name, content in file_contents.contradicting().items()
             if (found := recognised(content)) and found.format != "unreadable"}  # fmt: skip

    assert wrong == {}


def test_what_cannot_be_looked_into_is_unknown() -> None:
    nested = b"text"
    for _ in range(6):
        nested = file_contents.zipped({"a.zip": nested})
    contents = {
        "unknown": b"\x01\x02\x03\x04" * 9,
        "zstd": b"\x28\xb5\x2f\xfd" + bytes(9), "lz4": b"\x04\x22\x4d\x18" + bytes(9),
        "zip": nested, "onnx": file_contents.onnx(tensor=file_contents.external(b"../../etc/passwd")),
        "skops": file_contents.zipped({"schema.json": b"{}"}),
    }  # fmt: skip

    assert {
        recognised(content).format: recognised(content).executes_code for content in contents.values()
    } == dict.fromkeys(contents, Execution.UNKNOWN)
    assert recognised(b"cos\ngetcwd\n" + b"N0" * 150_000 + b"(tR.").executes_code is Execution.UNKNOWN


def test_what_inflates_to_more_than_is_looked_through_is_unknown() -> None:
    bomb = zlib.compressobj(9)
    content = b"".join(bomb.compress(b"a" * BLOCK) for _ in range(160)) + bomb.flush()

    found = recognised(content)

    assert (found.format, found.executes_code) == ("zlib", Execution.UNKNOWN)


@pytest.mark.parametrize(("path", "format_"), [("model.py", "python"), ("a/MODEL.PY", "python"), ("a.pyx", "text")])
def test_text_under_the_name_of_python_source_is_python(path: str, format_: str) -> None:
    assert named(recognised(b"import os\n"), path).format == format_


def test_a_name_makes_no_pickle_of_data_and_no_data_of_a_pickle() -> None:
    for path in ("model.safetensors", "notes.txt", "a.py"):
        assert named(recognised(file_contents.CALL), path).format == "pickle"
    assert named(recognised(file_contents.safetensors()), "model.pkl").format == "safetensors"


class Counting(InMemory):
    """Counts what is read."""

    read_bytes = 0

    def read(self, offset: int, length: int) -> bytes:
        content = super().read(offset, length)
        self.read_bytes += len(content)
        return content


def test_of_a_large_file_only_some_blocks_are_read() -> None:
    reader = Counting(file_contents.safetensors(bytes(40 * 1024 * 1024)))

    assert recognise(reader).format == "safetensors"

    assert reader.read_bytes < 5 * 1024 * 1024


_KINDS = [content for _, content in sorted(file_contents.data().values())] + [*file_contents.executing().values()]
_SHORT = [content for content in _KINDS if len(content) < 5_000]


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(_SHORT), st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 255)), max_size=4), TRIVIAL,
       st.booleans())  # fmt: skip
def test_no_bytes_make_it_raise(content: bytes, changes: list[tuple[int, int]], more: bytes, cut: bool) -> None:
    changed = bytearray(content)
    for place, value in changes:
        changed[place % max(len(changed), 1) : place % max(len(changed), 1) + 1] = bytes([value])
    whole = bytes(changed[: len(more) * 7] if cut else changed + more)

    found = recognised(whole)

    assert found.format in file_format_names.NAMES
    assert len(found.detail) <= 200
    assert found.detail.isprintable()


class Getting:
    """Calls a method of an object that is pickled with it."""

    def __init__(self, value: object) -> None:
        self.value = value

    def __reduce__(self) -> tuple[object, ...]:
        return dict.fromkeys, ([1], self.value)


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=20, deadline=None)
@given(_VALUES, st.integers(0, 5))
def test_every_pickle_that_calls_is_found(value: object, protocol: int) -> None:
    content = pickle.dumps([value, Getting(value)], protocol)

    assert recognised(content).executes_code is Execution.YES
    assert recognised(content + b"\0 anything").executes_code is Execution.YES


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(st.text(max_size=5), st.floats(-1e300, 1e300) | st.text(max_size=9)), st.integers(1, 9))
def test_json_is_read_alike_in_any_pieces(document: dict[str, object], length: int) -> None:
    text = json.dumps([document, document], ensure_ascii=length % 2 == 0, indent=length % 3)
    tokens = JsonTokens()

    for start in range(0, len(text), length):
        tokens.feed(text[start : start + length])
    tokens.feed("", last=True)

    assert (tokens.done, tokens.failed, tokens.consumed) == (True, False, len(text))
    assert recognised(text.encode()).format == "json"
    assert recognised(text.encode() + b"]").format == "text"


def test_an_archive_is_found_behind_anything_but_text() -> None:
    hidden = file_contents.zipped({"a.pkl": file_contents.CALL})
    for name, (_, content) in file_contents.data().items():
        found = recognised(content + hidden)
        assert found.executes_code is Execution.YES, name
        with zipfile.ZipFile(io.BytesIO(content + hidden)) as archive:
            assert archive.namelist() == ["a.pkl"]
