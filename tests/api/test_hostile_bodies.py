"""Bodies that are no document, another document than was meant, or too much of one: for every operation with a body."""

from __future__ import annotations

import gzip
import io
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from tests.api.conftest import Try
from tests.api.hostile import bodies
from tests.api.hostile.bodies import OPERATIONS, Operation
from tests.api.hostile.case import Case
from tests.api.hostile.world import World
from tests.support.api import Api
from tests.support.replies import expect

pytestmark = pytest.mark.share(8)  # these are refused before a database is asked

JSON = [("Content-Type", "application/json")]
STRICT = [operation for operation in OPERATIONS if not operation.is_open]


def everywhere(
    what: str, status: int, code: str, raw: bytes, *, operations: Iterable[Operation] = OPERATIONS, **options: Any
) -> Iterator[Case]:
    options = {"headers": JSON} | options
    for operation in operations:
        yield Case(f"{what}, {operation}", operation.method, operation.path, status, code, raw=raw, **options)


def spoiled(operation: Operation, what: str, status: int, code: str, body: Any, **options: Any) -> Case:
    return Case(f"{what}, {operation}", operation.method, operation.path, status, code, json=body, **options)


def test_the_operations_tried_here_are_all_that_take_a_body(api: Api) -> None:
    paths = api.get("/openapi.json").get_json()["paths"]
    documented = {
        (method.upper(), path)
        for path, item in paths.items()
        for method, operation in item.items()
        if "requestBody" in operation
    }

    found = {
        (operation.method, path)
        for operation in OPERATIONS
        for _, path in documented
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), f"/api/v1{operation.path}")
    }

    assert found & documented == documented
    assert len(OPERATIONS) == len(documented)


def test_the_good_body_of_each_operation_is_complete_and_accepted(api: Api, world: World) -> None:
    replies = {str(one): api(one.method, one.path, json=one.body) for one in OPERATIONS}

    assert {str(one): bodies.missing(one) for one in OPERATIONS} == {str(one): set() for one in OPERATIONS}
    assert {what: reply.get_data(as_text=True) for what, reply in replies.items() if reply.status_code >= 300} == {}


def test_what_is_no_document_is_malformed(attempt: Try) -> None:
    cases = [case for what, raw in bodies.MALFORMED for case in everywhere(what, 400, "malformed", raw)]

    assert attempt(cases, one_in=3) == []
    large = (everywhere(what, 400, "malformed", raw, operations=STRICT) for what, raw in bodies.LARGE_INTEGERS)
    assert attempt(case for cases in large for case in cases) == []


def test_a_document_that_is_no_object_is_invalid(attempt: Try) -> None:
    cases = [case for what, raw in bodies.SHAPELESS for case in everywhere(what, 422, "invalid", raw)]

    assert attempt(cases, one_in=3) == []


def test_a_body_of_another_type_is_refused_even_when_it_would_read_well(attempt: Try) -> None:
    cases = []
    for operation in OPERATIONS:
        for what, headers in bodies.FOREIGN:
            raw = json.dumps(operation.body).encode()
            raw = gzip.compress(raw) if "gzip" in what else raw
            cases.append(Case(f"{what}, {operation}", operation.method, operation.path, 415, "unsupported_media_type",
                              raw=raw, headers=headers))  # fmt: skip

    assert attempt(cases, one_in=2) == []


def test_a_body_with_too_many_values_is_too_large(attempt: Try) -> None:
    cases = []
    for operation in OPERATIONS:
        cases.append(spoiled(operation, "list", 413, "too_large", {"x": [0] * operation.values}))
        wide = {str(index): 0 for index in range(operation.values)}
        cases.append(spoiled(operation, "object", 413, "too_large", wide))

    assert attempt(cases, one_in=2) == []


def test_a_body_with_too_many_bytes_is_too_large_with_or_without_a_length(attempt: Try) -> None:
    cases = []
    for operation in OPERATIONS:
        raw = b'{"reason": "' + b"a" * operation.size + b'"}'
        chunked = {"CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}
        sent = {"method": operation.method, "path": operation.path, "status": 413, "code": "too_large", "headers": JSON}
        cases.append(Case(f"declared, {operation}", raw=raw, **sent))
        cases.append(Case(f"chunked, {operation}", raw=b"",
                          environ=chunked | {"wsgi.input": io.BytesIO(raw)}, **sent))  # fmt: skip
        cases.append(Case(f"spaces, {operation}", raw=b" " * (operation.size + 1), **sent))

    assert attempt(cases, one_in=2) == []


def test_a_refusal_of_size_says_the_limit(api: Api, world: World) -> None:
    for operation in OPERATIONS:
        sent = {"data": b" " * (operation.size + 1), "content_type": "application/json"}
        assert expect(413, api(operation.method, operation.path, **sent))["limit"] == operation.size
        many = {"x": [0] * operation.values}
        assert expect(413, api(operation.method, operation.path, json=many))["limit"] == operation.values


def test_a_length_that_lies_is_refused(attempt: Try) -> None:
    cases = []
    for operation in OPERATIONS:
        raw = json.dumps(operation.body).encode()
        cases += [
            Case(f"length {length}, {operation}", operation.method, operation.path, 400, "malformed",
                 raw=raw, headers=JSON, environ={"CONTENT_LENGTH": length})
            for length in (str(len(raw) + 5), str(len(raw) - 5), "-1", "0", "abc", "5, 5", "+5", "1e3", "\u0665")
        ]  # fmt: skip

    assert attempt(cases, one_in=3) == []


def test_a_field_that_is_not_asked_for_is_refused(attempt: Try) -> None:
    cases = []
    for operation in STRICT:
        unknown = ["unknown", "", "__proto__", "__class__", "\u0438", "Reason", "reason ", *bodies.READ_ONLY]
        cases += [
            spoiled(operation, f"{name}", 422, "invalid", operation.body | {name: "x"})
            for name in unknown
            if name not in operation.body
        ]

    assert attempt(cases, one_in=3) == []


def test_a_field_that_is_needed_is_asked_for(attempt: Try) -> None:
    cases = []
    for operation in OPERATIONS:
        for name, field in bodies.named(operation.schema()):
            if field.required:
                body = {key: value for key, value in operation.body.items() if key != name}
                cases.append(spoiled(operation, f"without {name}", 422, "invalid", body))

    assert attempt(cases) == []


def test_a_value_of_another_type_is_refused_in_every_field_and_named_by_its_place(attempt: Try) -> None:
    cases = [
        spoiled(operation, what, 422, "invalid", body, at=at)
        for operation in OPERATIONS
        for what, body, at in bodies.wrong_types(operation)
    ]

    assert len(cases) > 500
    assert attempt(cases, one_in=3) == []


def test_a_body_where_none_is_taken_changes_nothing_about_the_answer(attempt: Try) -> None:
    raws = [raw for _, raw in bodies.MALFORMED] + [b'{"reason": "a"}', b"[]"]
    cases = [
        Case(f"{raw[:20]!r}, {method} {path}", method, path, status, code, raw=raw, headers=[*JSON, *headers])
        for method, path, status, code in bodies.BODILESS
        for index, raw in enumerate(raws)
        for headers in ([], [("Idempotency-Key", f"key-{index}")])
    ]

    assert attempt(cases, one_in=3) == []


@pytest.mark.share(1)
def test_keys_that_mean_something_elsewhere_are_plain_text_in_tags(api: Api, world: World) -> None:
    keys = ["__proto__", "constructor", "__class__", "$ne", "$where", "{{7*7}}", "%s", "a.b[0]", "=1+1", "<b>",
            "'; DROP TABLE models;--", "\U0001f98a", "{0.__class__}"]  # fmt: skip
    tags = dict.fromkeys(keys, "x")

    created = expect(201, api.post("/models", {"name": "tagged", "tags": tags, "description": "{{7*7}} ${x} %s"}))
    registered = expect(201, api.post("/models/tagged/versions", {"files": [bodies.STORED], "tags": tags}))

    assert created["tags"] == registered["version"]["tags"] == tags
    assert created["description"] == "{{7*7}} ${x} %s"


@pytest.mark.share(1)
def test_the_longest_values_are_taken_and_one_more_character_is_not(attempt: Try, api: Api, world: World) -> None:
    wide = "\U0001f98a"
    longest: list[tuple[str, Any, Any]] = [
        ("description", wide * 65_536, wide * 65_537),
        ("tags", {wide * 250: "a" * 100_000}, {wide * 250: "a" * 100_001}),
        ("tags", {"a": "b"}, {"a" * 251: "b"}),
        ("tags", {str(index): "" for index in range(100)}, {str(index): "" for index in range(101)}),
        ("params", {wide * 250: "a" * 6000}, {wide * 250: "a" * 6001}),
        ("metrics", {wide * 250: 1.7976931348623157e308}, {wide * 251: 1}),
        ("metrics", {"tiny": 5e-324, "zero": -0.0}, {"": 1}),
        ("framework", wide * 64, wide * 65),
        ("signature", {"x": wide * 1000, "big": 1e308, "small": -1e-308}, "x"),
        ("run", {"system": wide * 64, "id": varied(255)}, {"system": wide * 65, "id": "1"}),
        ("run", {"system": "ci", "id": "1", "url": varied(2048)}, {"system": "ci", "id": "1", "url": wide * 2049}),
        ("run", {"system": "ci", "id": "1", "tags": {wide * 250: "a" * 8000}, "unmeasured": {wide * 250: "NaN"}},
         {"system": "ci", "id": "1", "unmeasured": {"a": "nan"}}),
        ("code", {"repo": varied(512), "commit": varied(255), "path": varied(1024)}, {"repo": wide * 513}),
        ("environment", {"python": varied(64)}, {"python": wide * 65}),
        ("datasets", [{"name": varied(255), "digests": [f"sha512:{0:0128}"], "uri": varied(2048), "rows": 2**53 - 1}],
         [{"name": wide * 256, "digests": ["md5:" + "0" * 8]}]),
        ("aliases", ["a" * 255, "b" * 255], ["a" * 256]),
    ]  # fmt: skip

    refused = [
        Case(
            f"{name} too long",
            "POST",
            "/models/fraud/versions",
            422,
            "invalid",
            json={"files": [bodies.STORED], name: over},
        )
        for name, _, over in longest
    ]
    taken = [
        api.post("/models/fraud/versions", {"files": [bodies.STORED | {"path": f"{index}"}], name: value})
        for index, (name, value, _) in enumerate(longest)
    ]

    assert [(name, reply.get_data(as_text=True)[:300]) for (name, *_), reply in zip(longest, taken, strict=True)
            if reply.status_code != 201] == []  # fmt: skip
    assert attempt(refused) == []


def varied(length: int) -> str:
    """*length* characters of four bytes that no database can compress."""
    state, text = 1, ""
    for _ in range(length):
        state = state * 6364136223846793005 % 2**64 + 1442695040888963407
        text += chr(0x20000 + (state >> 33) % 0xA000)
    return text
