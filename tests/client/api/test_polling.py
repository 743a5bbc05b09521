from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path
from typing import Any

import pytest
from werkzeug.wrappers import Request, Response

from registry.client import RegistryClient, errors
from tests.client.conftest import FakeRegistry, reply

COPY: dict[str, Any] = {
    "id": "i-1", "model": "fraud", "source": "s3://b/p", "state": "pending", "reason": None, "files": 0, "bytes": 0,
    "version": None, "created_at": "2026-11-21T13:05:02.123456Z", "created_by": "ci", "finished_at": None,
}  # fmt: skip


def states(registry: FakeRegistry, *told: str, reason: str | None = None) -> None:
    """Let version 1 be in these states, one after the other, with an ETag each."""
    left = list(told)

    def answer(request: Request) -> Response | None:
        if request.method == "POST" and request.path.endswith("/versions"):
            return reply({"created": True, "version": {**registry.version(), "state": "pending"}}, status=201)
        if request.method != "GET" or not request.path.endswith("/versions/1"):
            return None
        state = left.pop(0) if len(left) > 1 else left[0]
        if request.headers.get("If-None-Match") == f'"{state}"':
            return Response(status=304, headers={"ETag": f'"{state}"'})
        view = {**registry.version(), "state": state, "state_reason": reason}
        return reply(view, headers={"ETag": f'"{state}"'})

    registry.answers.append(answer)


def test_who_waits_gets_a_version_that_is_ready(registry: FakeRegistry, client: RegistryClient, source: Path) -> None:
    states(registry, "pending", "pending", "ready")

    assert client.register("fraud", source, wait=True)["version"]["state"] == "ready"
    assert [request.headers.get("If-None-Match") for request in registry.requests("GET", "/versions/1")] == [
        None,
        '"pending"',
        '"pending"',
    ]


def test_who_does_not_wait_gets_a_version_that_is_pending(
    registry: FakeRegistry, client: RegistryClient, source: Path
) -> None:
    states(registry, "ready")

    assert client.register("fraud", source)["version"]["state"] == "pending"


def test_a_version_whose_bytes_are_wrong_is_an_integrity_error(
    registry: FakeRegistry, client: RegistryClient, source: Path
) -> None:
    states(registry, "failed", reason="model.bin has another digest")

    with pytest.raises(errors.IntegrityError, match=r"fraud:1 failed verification: model\.bin has another digest"):
        client.register("fraud", source, wait=True)


def imports(registry: FakeRegistry, *told: dict[str, Any]) -> None:
    """Let the import be as told, one answer after the other."""
    left = list(told)

    def answer(request: Request) -> Response | None:
        if request.method == "POST" and request.path.endswith("/models/fraud/imports"):
            return reply(COPY, status=202)
        if request.path.endswith("/imports/i-1"):
            return reply({**COPY, **(left.pop(0) if len(left) > 1 else left[0])})
        return None

    registry.answers.append(answer)


def test_an_import_sends_the_source_and_the_facts(registry: FakeRegistry, client: RegistryClient) -> None:
    imports(registry, {})

    begun = client.import_version("fraud", "s3://b/p", metrics={"auc": 0.9}, tags=None)
    registry.model = {"name": "fraud", "state": "active", "latest_version": None}
    client.import_version("fraud", "s3://b/p", default_ignores=False, allow_secrets=True)

    assert begun["state"] == "pending"
    assert [request.get_json() for request in registry.requests("POST", "/imports")] == [
        {"source": "s3://b/p", "metrics": {"auc": 0.9}, "create_model": True},  # the service makes it, or not
        {"source": "s3://b/p", "default_ignores": False, "allow_secrets": True},
    ]
    assert [seen.path for seen in registry.seen if seen.method == "POST"] == ["/api/v1/models/fraud/imports"] * 2


def test_an_import_is_followed_to_its_end(registry: FakeRegistry, client: RegistryClient) -> None:
    imports(registry, {"state": "running", "bytes": 10}, {"state": "done", "bytes": 20, "version": 1})
    reports: list[tuple[str, int, int]] = []

    done = client.imports.wait("i-1", progress=lambda *report: reports.append(report))

    assert (done["state"], done["version"]) == ("done", 1)
    assert reports == [("import", 10, 0), ("import", 20, 0)]


def test_an_import_that_fails_says_why(registry: FakeRegistry, client: RegistryClient) -> None:
    imports(registry, {"state": "failed", "reason": "the bucket is not there"})

    with pytest.raises(errors.ImportFailed, match="s3://b/p: the bucket is not there"):
        client.imports.wait("i-1")


def tarred(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


FILES = {"MLmodel": b"flavors: {}\n", "weights/" + "x" * 100 + "/" + "y" * 200: b"\x00\x01" * 100_000}


def test_an_archive_is_what_was_registered(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.hold(FILES)
    sent = tarred(FILES)
    registry.answers.append(lambda request: Response(sent) if request.path.endswith("/archive") else None)
    out = io.BytesIO()

    version, size = client.archive("fraud:1", out)

    assert (version["number"], size) == (1, len(sent))
    assert hashlib.sha256(out.getvalue()).digest() == hashlib.sha256(sent).digest()


@pytest.mark.parametrize(
    "sent",
    [
        tarred({**FILES, "MLmodel": b"flavors: []\n"}),
        tarred({**FILES, "more": b""}),
        tarred({"MLmodel": FILES["MLmodel"]}),
        tarred(FILES)[:50_000],
        b"no archive" * 1000,
        b"",
    ],
    ids=["changed", "more", "fewer", "cut", "none", "empty"],
)
def test_an_archive_that_is_not_is_refused(registry: FakeRegistry, client: RegistryClient, sent: bytes) -> None:
    registry.hold(FILES)
    registry.answers.append(lambda request: Response(sent) if request.path.endswith("/archive") else None)

    with pytest.raises(errors.IntegrityError):
        client.archive("fraud:1", io.BytesIO())
