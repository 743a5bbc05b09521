"""Previews: what a file is shown as, and that no bytes break a page or take long."""

from __future__ import annotations

import json
import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from registry.web.text.preview import (
    HEADER_BYTES,
    ROWS,
    FieldsPreview,
    NoPreview,
    Tensor,
    TensorsPreview,
    TextPreview,
    fields,
    preview,
    wanted,
)

WEIGHT = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}
BILLION = b"a: &a [x,x,x,x,x,x,x,x,x,x]\n" + b"".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{','.join([f'*{chr(97 + n)}'] * 10)}]\n".encode() for n in range(9)
)
NESTED = b'{"a":' * 100_000


def safetensors(header: object, *, length: int | None = None, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def shown(path: str, content: bytes) -> object:
    return preview(path, content[: wanted(path)], len(content))


def test_text_is_shown_up_to_its_limit() -> None:
    long = "é".encode() * 40_000  # its 65,536 first bytes end with a whole letter

    assert shown("a.txt", b"one\r\ntwo\n") == TextPreview("one\ntwo\n")
    assert shown("a.json", b"\xef\xbb\xbf{}") == TextPreview("{}")
    assert shown("page.html", b"<script>") == TextPreview("<script>")  # the page escapes it
    assert shown("long", b"x" + long) == TextPreview("x" + "é" * 32_767)
    assert shown("deep.json", NESTED) == TextPreview(NESTED[: 64 * 1024].decode())  # nothing parses it
    assert shown("empty", b"") == NoPreview("The file is empty.")
    for binary in (b"\0", b"\x80\x02}", "é".encode("utf-16"), b"caf\xe9", b"ends \xc3"):
        assert shown("model.bin", binary) == NoPreview("No preview of this type.")


def test_a_safetensors_header_is_a_table_of_tensors() -> None:
    header = {"__metadata__": {"format": "pt"}, "w": WEIGHT, "bias": WEIGHT | {"shape": [], "data_offsets": [24, 28]}}

    assert shown("m.safetensors", safetensors(header, data=bytes(28))) == TensorsPreview(
        [Tensor("w", "F32", "2 × 3", 24), Tensor("bias", "F32", "scalar", 4)], 2, 7, [("format", "pt")]
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"short", "would end after the file"),
        (safetensors({}, length=2**63), "would end after the file"),
        (safetensors({"w": WEIGHT}, length=10_000), "would end after the file"),
        (safetensors(b"{" + b" " * (HEADER_BYTES + 1) + b"}"), "headers of up to"),
        (safetensors(NESTED), "not a JSON object"),
        (safetensors(b"[1]"), "not a JSON object"),
        (safetensors(b"\xff\xfe"), "not a JSON object"),
        (safetensors(b'{"a": ' + b"9" * 5000 + b"}"), "not a JSON object"),
    ],
)
def test_a_header_that_lies_has_no_preview(content: bytes, reason: str) -> None:
    found = shown("m.SafeTensors", content)

    assert isinstance(found, NoPreview)
    assert reason in found.reason


def test_odd_entries_of_a_header_are_marked() -> None:
    odd: dict[str, object] = {
        "huge": WEIGHT | {"shape": [2**62, 2**62]},
        "negative": WEIGHT | {"shape": [-1], "data_offsets": [5, 1]},
        "true": WEIGHT | {"shape": [True], "dtype": {"a": 1}},
        "list": [1],
        "\ud800": None,
    }

    found = shown("m.safetensors", safetensors(odd))

    assert isinstance(found, TensorsPreview)
    assert found.parameters is None
    assert [(one.shape, one.size) for one in found.tensors] == [
        ("4611686018427387904 × 4611686018427387904", 24),
        ("not a shape", None),
        ("not a shape", 24),
        ("not a shape", None),
        ("not a shape", None),
    ]
    many = shown("m.safetensors", safetensors({f"t{n}": WEIGHT for n in range(ROWS + 1)}))
    assert isinstance(many, TensorsPreview)
    assert (len(many.tensors), many.count) == (ROWS, ROWS + 1)


def test_an_mlmodel_file_is_shown_as_fields() -> None:
    content = b"flavors:\n  sklearn:\n    pickled_model: model.pkl\nrun_id: abc\nempty: []\nsteps: [a, b]\n"

    assert shown("sub/MLmodel", content) == FieldsPreview(
        [
            ("flavors", ""), ("  sklearn", ""), ("    pickled_model", "model.pkl"), ("run_id", "abc"),
            ("empty", "empty"), ("steps", ""), ("  1.", "a"), ("  2.", "b"),
        ],
        is_cut=False,
    )  # fmt: skip
    broken = shown("MLmodel", b"a: [")
    assert broken == TextPreview("a: [")


@pytest.mark.parametrize(
    "content", [BILLION, b"a: &a [*a]\n", b"a: &a {x: *a}\n", b"[" * 16_000, b"- " * 8_000, b"a: [" * 20_000]
)
def test_documents_that_multiply_or_contain_themselves_are_cut(content: bytes) -> None:
    found = shown("MLmodel", content)

    assert isinstance(found, FieldsPreview | TextPreview)
    if isinstance(found, FieldsPreview):
        assert len(found.fields) <= ROWS


def test_fields_of_json_keep_their_order() -> None:
    document = {"b": {"y": None, "x": [True, 1.5]}, "a": "z" * 1000}

    rows = fields(document).fields

    assert rows[:5] == [("b", ""), ("  y", "None"), ("  x", ""), ("    1.", "True"), ("    2.", "1.5")]
    assert rows[5] == ("a", "z" * 500 + "…")


@given(st.binary(max_size=300), st.sampled_from(["MLmodel", "a.safetensors", "a.txt"]), st.integers(0, 2**40))
@example(struct.pack("<Q", 0), "a.safetensors", 8)
def test_any_bytes_have_a_preview_or_a_reason(content: bytes, path: str, more: int) -> None:
    assert preview(path, content, len(content) + more) is not None
