"""Files that somebody might try to register or upload: refused with a reason, or kept exactly as they are."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from tests.api.conftest import Try
from tests.api.hostile import paths
from tests.api.hostile.case import Case
from tests.api.hostile.world import STORED, World
from tests.support.api import Api
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect

VERSIONS = "/models/fraud/versions"
HEADERS = [("Content-Type", "application/json")]


def registering(what: str, status: int, code: str, *files: dict[str, Any]) -> Case:
    return Case(what, "POST", VERSIONS, status, code, json={"files": list(files)})


def uploading(what: str, status: int, code: str, **changes: Any) -> Case:
    return Case(what, "POST", "/uploads", status, code, json={"sha256": "cd" * 32, "size": 5} | changes)


def test_a_path_against_the_rule_is_refused(attempt: Try) -> None:
    cases = [registering(what, 422, "invalid", STORED | {"path": path}) for what, path in paths.REFUSED]

    assert attempt(cases) == []


def test_a_path_that_cannot_be_stored_is_malformed(attempt: Try) -> None:
    line = b'{"files": [{"path": "%b", "size": 5, "sha256": "' + b"ab" * 32 + b'"}]}'
    texts = {"NUL": rb"a\u0000b", "half a pair": rb"a\ud800", "not UTF-8": b"a\xff"}
    cases = [
        Case(what, "POST", VERSIONS, 400, "malformed", raw=line % text, headers=HEADERS) for what, text in texts.items()
    ]

    assert attempt(cases) == []


def test_files_that_cannot_stand_side_by_side_are_refused(attempt: Try) -> None:
    cases = [
        registering(what, 422, "invalid", *(STORED | {"path": path} for path in clash)) for what, clash in paths.CLASHES
    ]

    assert attempt(cases) == []


def test_a_manifest_has_one_to_ten_thousand_files(attempt: Try) -> None:
    many = [STORED | {"path": f"f{index}"} for index in range(10_001)]
    cases = [
        registering("10,001 files", 422, "invalid", *many),
        registering("none", 422, "invalid"),
        Case("10,000 files that are not there", "POST", VERSIONS, 409, "blobs_missing",
             json={"files": [line | {"sha256": f"{index:064x}"} for index, line in enumerate(many[1:])]}),
    ]  # fmt: skip

    assert attempt(cases) == []


def test_a_size_that_is_none_is_refused(attempt: Try) -> None:
    cases = [registering(what, 422, "invalid", STORED | {"size": size}) for what, size in paths.SIZES]
    cases += [uploading(f"{what} upload", 422, "invalid", size=size) for what, size in paths.SIZES]
    cases += [
        registering("of other bytes", 422, "invalid", STORED | {"size": STORED["size"] + 1}),
        uploading("of other bytes, upload", 422, "invalid", sha256=STORED["sha256"], size=STORED["size"] + 1),
        uploading("over the limit", 413, "too_large", size=5 * 1024**4 + 1),
        uploading("2^53 - 1", 413, "too_large", size=2**53 - 1),
    ]
    sized = b'{"size": %b, "sha256": "' + b"ab" * 32 + b'"}'
    for what, size in paths.HUGE_SIZES:
        cases.append(Case(what, "POST", "/uploads", 400, "malformed", raw=sized % size, headers=HEADERS))

    assert attempt(cases) == []


def test_a_digest_that_is_none_is_refused(attempt: Try) -> None:
    cases = [registering(what, 422, "invalid", STORED | {"sha256": digest}) for what, digest in paths.DIGESTS]
    cases += [uploading(f"{what} upload", 422, "invalid", sha256=digest) for what, digest in paths.DIGESTS]

    assert attempt(cases) == []


def test_a_media_type_that_is_none_is_refused(attempt: Try) -> None:
    cases = [
        registering(what, 422, "invalid", STORED | {"media_type": registry}) for what, registry in paths.MEDIA_TYPES
    ]

    assert attempt(cases) == []


def test_bytes_that_never_came_cannot_be_registered(attempt: Try, world: World) -> None:
    cases = [
        registering("unknown", 409, "blobs_missing", paths.LINE | {"sha256": "ef" * 32}),
        registering("announced only", 409, "blobs_missing", paths.LINE),
        registering("one of two", 409, "blobs_missing", STORED, paths.LINE),
        Case("nothing arrived", "POST", "/uploads/{upload}/complete", 409, "conflict"),
        Case("other size", "PUT", "/transfer/{target}", 409, "upload_mismatch", raw=b"four", token=None),
        Case("other bytes", "PUT", "/transfer/{target}", 409, "upload_mismatch", raw=b"bytes", token=None),
        Case("no length", "PUT", "/transfer/{target}", 400, "malformed", raw=b"bytes", token=None,
             environ={"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}),
        Case("forged target", "PUT", "/transfer/{target}x", 403, "forbidden", raw=b"bytes", token=None),
        Case("unsigned target", "PUT", "/transfer/abc", 403, "forbidden", raw=b"bytes", token=None),
        Case("target of a PUT, read", "GET", "/transfer/{target}", 403, "forbidden", token=None),
    ]  # fmt: skip

    assert attempt(cases) == []


def test_a_legal_path_is_kept_as_it_is_and_leads_to_the_bytes(api: Api, registry: RegistryBuilder) -> None:
    registry.blob(b"bytes")
    files = [registry.file(b"bytes", path=path) for _, path in paths.LEGAL]

    number = registry.model("fraud").version(files=files)

    assert {line["path"] for line in expect(200, api.get(f"{VERSIONS}/{number}/files?limit=200"))["items"]} == {
        path for _, path in paths.LEGAL
    }
    wrong = []
    for what, path in paths.LEGAL:
        redirect = api.get(f"{VERSIONS}/{number}/files/{quote(path)}")
        if redirect.status_code != 302:
            wrong.append(f"{what}: {redirect.get_data(as_text=True)}")
            continue
        with api.client.get(redirect.headers["Location"]) as got:
            if (got.status_code, got.get_data()) != (200, b"bytes"):
                wrong.append(f"{what}: {got.status_code} {got.get_data(as_text=True)}")
    assert wrong == []
