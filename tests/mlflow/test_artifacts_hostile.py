"""Requests to the artifact area that no client sends, and paths that mean to lead elsewhere."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.api.hostile import paths
from tests.domain.test_artifact_area import REFUSED
from tests.support.artifact_area import AREA, ArtifactArea
from tests.support.registry_builder import RegistryBuilder

# As they are written in an address: once encoded, more often, not at all.
WRITTEN = [
    *sorted({quote(path, safe="") for path in REFUSED if path and len(path) < 1000}),
    "../a",
    "a/../b",
    "/etc/passwd",
    "//etc/passwd",
    "..%2fa",
    "%2e%2e/a",
    "%2e%2e%2fa",
    "%252e%252e%252fa",
    "..;/a",
    "%2fetc%2fpasswd",
    "..%5ca",
    "a%00b",
    "a%0d%0aSet-Cookie:%20x",
    "%ff%fe",
    "C:%5cwindows",
    "a%23b",
    "a%3fb",
    "a" * 1025,
]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_path_that_could_lead_elsewhere_is_refused_everywhere(
    artifact_area: ArtifactArea, registry: RegistryBuilder
) -> None:
    entries = registry.audit_entry_count()

    wrong = []
    for path in WRITTEN:
        for method, address in (
            ("PUT", f"{AREA}/artifacts/{path}"),
            ("GET", f"{AREA}/artifacts/{path}"),
            ("DELETE", f"{AREA}/artifacts/{path}/x"),
            ("GET", f"{AREA}/presigned/{path}"),
            ("GET", f"{AREA}/artifacts?path={path}%2F.."),
        ):
            reply = artifact_area(method, address)
            if reply.status_code != 400 or "Invalid path" not in reply.get_data(as_text=True):
                wrong.append((method, address, reply.status_code, reply.get_data(as_text=True)[:80]))

    assert wrong == []
    assert registry.audit_entry_count() == entries
    assert artifact_area.listed() == {}


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_path_that_would_harm_who_downloads_it_is_not_written(artifact_area: ArtifactArea) -> None:
    wrong = []
    for what, path in paths.HARMFUL:
        directory, _, name = path.rpartition("/")
        part = {"part_number": 1, "etag": "e"}
        replies = [
            artifact_area.put(quote(path), b"x"),
            artifact_area.parts("create", quote(directory), path=name, num_parts=1),
            artifact_area.parts("complete", quote(directory), path=name, upload_id="x", parts=[part]),
        ]
        told = [(reply.status_code, reply.get_json()["message"]) for reply in replies]
        wrong += [(what, answer) for answer in told if answer[0] != 400 or "Invalid path" not in answer[1]]

    assert wrong == []
    assert artifact_area.listed() == {}


def test_an_address_without_a_path_changes_nothing(artifact_area: ArtifactArea) -> None:
    artifact_area.put("a", b"x")
    rests = ["artifacts/", "presigned/", "artifacts//", "artifacts/?path=a", "presigned//a", "artifacts//a"]

    replies = {
        (method, rest): artifact_area(method, f"{AREA}/{rest}") for method in ("GET", "PUT", "DELETE") for rest in rests
    }

    assert {reply.status_code for reply in replies.values()} <= {400, 405}
    assert artifact_area.listed() == {"a": 1}


BODIES: list[tuple[str, Any]] = [
    ("create", None),
    ("create", []),
    ("create", "text"),
    ("create", {}),
    ("create", {"path": "a"}),
    ("create", {"path": "a", "num_parts": 0}),
    ("create", {"path": "a", "num_parts": -1}),
    ("create", {"path": "a", "num_parts": 10_001}),
    ("create", {"path": "a", "num_parts": 1.5}),
    ("create", {"path": "a", "num_parts": True}),
    ("create", {"path": "a", "num_parts": "many"}),
    ("create", {"path": "", "num_parts": 1}),
    ("create", {"path": "..", "num_parts": 1}),
    ("create", {"path": "x/..", "num_parts": 1}),
    ("create", {"path": "x\\..", "num_parts": 1}),
    ("create", {"path": "x/", "num_parts": 1}),
    ("create", {"path": 5, "num_parts": 1}),
    ("create", {"path": ["a"], "num_parts": 1}),
    ("complete", {}),
    ("complete", {"path": "a", "upload_id": "x"}),
    ("complete", {"path": "a", "upload_id": "x", "parts": []}),
    ("complete", {"path": "a", "upload_id": "x", "parts": {"1": "e"}}),
    ("complete", {"path": "a", "upload_id": "x", "parts": ["e"]}),
    ("complete", {"path": "a", "upload_id": "x", "parts": [{"part_number": 1}]}),
    ("complete", {"path": "a", "upload_id": "x", "parts": [{"part_number": 1, "etag": 5}]}),
    ("complete", {"path": "a", "upload_id": "x", "parts": [{"part_number": "x", "etag": "e"}]}),
    ("complete", {"path": "a", "upload_id": "x", "parts": [{"part_number": 1, "etag": "e" * 257}]}),
    ("complete", {"path": "a", "upload_id": "x", "parts": [{"part_number": 1, "etag": "e"}] * 2}),
    ("complete", {"path": "a", "upload_id": 7, "parts": [{"part_number": 1, "etag": "e"}]}),
    ("abort", {}),
    ("abort", {"path": "a"}),
    ("abort", {"path": "a", "upload_id": None}),
]


RAW = [b"", b"{", b"\xff", b'{"path": NaN}', b'{"path":"a","path":"b"}', b"[" * 100]
NO_UPLOADS = ["x", "../a", "\u0660", "0" * 36, "00000000-0000-4000-8000-000000000000", "a" * 4000]


def test_a_body_that_makes_no_sense_is_400(artifact_area: ArtifactArea) -> None:
    replies = {str(case): artifact_area("POST", f"{AREA}/mpu/{case[0]}/m", json=case[1]) for case in BODIES}

    assert {case: reply.status_code for case, reply in replies.items() if reply.status_code != 400} == {}


def test_a_body_that_cannot_be_read_is_400(artifact_area: ArtifactArea) -> None:
    headers = {"Content-Type": "application/json"}

    for verb in ("create", "complete", "abort"):
        for raw in RAW:
            reply = artifact_area("POST", f"{AREA}/mpu/{verb}/m", data=raw, headers=headers)
            assert reply.status_code == 400, (verb, raw, reply.get_data(as_text=True))


def test_an_upload_that_there_is_not_is_404(artifact_area: ArtifactArea) -> None:
    parts = [{"part_number": 1, "etag": '"e"', "url": "http://evil.test/"}]

    for upload in NO_UPLOADS:
        complete = artifact_area.parts("complete", "m", path="a", upload_id=upload, parts=parts)
        abort = artifact_area.parts("abort", "m", path="a", upload_id=upload)
        assert (complete.status_code, abort.status_code) == (404, 404), upload


MEDIA_TYPES = ["text/html", "text/html; charset=utf-7", "nonsense", "a/b\x0b", "a/" + "b" * 200, "\u00e4/b"]


def test_whatever_a_sender_calls_a_file_it_is_downloaded_and_never_shown(artifact_area: ArtifactArea) -> None:
    for media_type in MEDIA_TYPES:
        sent = artifact_area.put("a.html", b"<script>", headers={"Content-Type": media_type})
        reply = artifact_area.get("a.html")

        assert sent.status_code == 200, sent.get_data(as_text=True)
        assert reply.headers["Content-Disposition"].startswith("attachment")
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in reply.headers["Content-Security-Policy"]
        assert "utf-7" not in reply.headers["Content-Type"]


def test_unknown_arguments_are_ignored(artifact_area: ArtifactArea) -> None:
    assert artifact_area("PUT", f"{AREA}/artifacts/a?run_uuid=x&x=y", data=b"x").status_code == 200
    assert artifact_area("GET", f"{AREA}/artifacts?path=&x=y&path=b").get_json() == {
        "files": [{"path": "a", "is_dir": False, "file_size": 1}]
    }
