"""Imports through the API: what a registry fetches itself becomes a version, and nothing else is ever opened."""

from __future__ import annotations

import functools
import hashlib
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from registry.app import create_app
from registry.config import Settings
from registry.db.session import db
from registry.rules.credentials import MOST_BYTES
from tests.api.hostile.bodies import FACTS
from tests.support.databases import Database
from tests.support.https_server import HttpsServer, Reply, running_https
from tests.support.importer import Importer
from tests.support.replies import expect
from tests.support.s3_server import S3Server

Start = Callable[..., Importer]


@pytest.fixture(scope="session")
def https(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpsServer]:
    with running_https(tmp_path_factory.mktemp("https")) as server:
        yield server


@pytest.fixture
def start(database: Database, make_settings: Callable[..., Settings]) -> Iterator[Start]:
    """A registry over the test's database with settings of its own."""
    apps: list[Flask] = []

    def make(*sources: str, **changes: Any) -> Importer:
        apps.append(create_app(make_settings(database.url, import_sources=sources, **changes)))
        return Importer(apps[-1], database.tokens)

    yield make
    for app in apps:
        with app.app_context():
            db.engine.dispose()


@pytest.fixture(scope="session")
def fetching(
    databases: Callable[[str], Database], make_settings: Callable[..., Settings], https: HttpsServer
) -> Callable[[str], Flask]:
    """The app over each kind of database that may fetch from below ``/models`` of the HTTPS server."""
    sources = (f"https://{https.place}/models",)
    return functools.cache(
        lambda kind: create_app(make_settings(databases(kind).url, import_sources=sources, max_upload_bytes=4_000_000))
    )


@pytest.fixture
def importer(
    database: Database, fetching: Callable[[str], Flask], https: HttpsServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Importer]:
    """A registry with a model that trusts the HTTPS server, which has nothing yet."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(https.certificate))
    https.replies.clear()
    https.seen.clear()
    importer = Importer(fetching(database.kind), database.tokens)
    importer.registry.create_model()
    yield importer
    with importer.app.app_context():
        db.engine.dispose()


def some_bytes(size: int = 300_000) -> bytes:
    return uuid.uuid4().bytes * (size // 16)


def test_a_file_behind_https_becomes_a_version_with_all_that_was_said_of_it(
    importer: Importer, https: HttpsServer
) -> None:
    content, url = some_bytes(), ""
    importer.registry.model("fraud").version()
    url = https.serve("/models/f/model%20v1.bin", Reply(content))

    asked = importer.ask(url, **FACTS)

    assert asked | {"id": "", "created_at": ""} == {
        "id": "", "model": "fraud", "source": url, "state": "pending", "reason": None, "files": 0, "bytes": 0,
        "version": None, "created_at": "", "created_by": "all", "finished_at": None, "ignored": [], "ignored_count": 0,
    }  # fmt: skip
    assert https.seen == []
    assert importer.work()
    done = importer.now(asked)
    assert (done["state"], done["version"], done["files"], done["bytes"]) == ("done", 2, 1, len(content))
    assert done["finished_at"] >= done["created_at"]
    assert importer.files(2) == {"model v1.bin": content}
    version = expect(200, importer.api.get("/models/fraud/versions/2"))
    assert (version["state"], version["created_by"], version["aliases"]) == ("ready", "all", ["candidate"])
    assert {name: version[name] for name in ("description", "tags", "framework", "signature")} == {
        name: FACTS[name] for name in ("description", "tags", "framework", "signature")
    }
    assert version["lineage"]["run"]["finished_at"] == "2026-11-20T13:00:00.500000Z"
    assert importer.registry.model("fraud").actions()[-2:] == ["import.requested", "version.registered"]
    assert not importer.work()


def test_the_reply_names_the_address_of_the_import_and_every_reader_may_follow_it(
    importer: Importer, https: HttpsServer
) -> None:
    response = importer.api.post("/models/fraud/imports", {"source": https.serve("/models/a.bin")})

    assert response.headers["Location"] == f"/api/v1/imports/{response.get_json()['id']}"
    followed = expect(200, importer.as_role("reader").get(f"/imports/{response.get_json()['id']}"))
    assert followed == response.get_json()


def test_objects_below_a_prefix_become_a_version_and_those_outside_do_not(
    start: Start, moto_s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    importer, bucket = with_bucket(start, moto_s3, monkeypatch, "models/a")
    pins = b"xgboost==2.1.0\n"
    wanted = {
        "model.bin": some_bytes(), "data/train set.csv": b"a,b\n", "empty": b"", "requirements.txt": pins,
        "MLmodel": b"flavors: {xgboost: {}, python_function: {python_version: 3.10.12}}\n",
    }  # fmt: skip
    with moto_s3.client() as client:
        for path, content in wanted.items():
            client.put_object(Bucket=bucket, Key=f"models/a/{path}", Body=content)
        for key in ("models/a/", "models/a/data/", "models/ab/secret.bin", "models/a.bin", "model.bin"):
            client.put_object(Bucket=bucket, Key=key, Body=b"" if key.endswith("/") else b"beside")

    found = [importer.done(f"s3://{bucket}/models/a{end}") for end in ("", "/")]

    assert [one["state"] for one in found] == ["done", "done"]
    total = sum(map(len, wanted.values()))
    assert [(one["version"], one["files"], one["bytes"]) for one in found] == [(1, 5, total)] * 2
    assert importer.files(1) == wanted
    version = expect(200, importer.api.get("/models/fraud/versions/1"))
    assert version["framework"] == "xgboost"
    assert version["lineage"]["environment"] == {
        "python": "3.10.12", "lock_digest": f"sha256:{hashlib.sha256(pins).hexdigest()}", "image_digest": None,
    }  # fmt: skip
    refused = importer.api.post("/models/fraud/imports", {"source": f"s3://{bucket}/models/ab"})
    assert expect(422, refused)["code"] == "invalid"


def test_clutter_and_credentials_of_a_source_are_left_out_and_refused_unless_they_are_asked_for(
    start: Start, moto_s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    importer, bucket = with_bucket(start, moto_s3, monkeypatch, "models/a")
    clutter = {".git/config": b"[core]", ".git/HEAD": b"ref", ".DS_Store": b"1", "code/__pycache__/a.pyc": b"1"}
    with moto_s3.client() as client:
        for path, content in {"model.bin": b"weights", "empty.env": b"", **clutter}.items():
            client.put_object(Bucket=bucket, Key=f"models/a/{path}", Body=content)

    done = importer.done(f"s3://{bucket}/models/a")

    assert (done["state"], set(importer.files(1))) == ("done", {"model.bin", "empty.env"})
    assert (sorted(done["ignored"]), done["ignored_count"]) == ([".DS_Store", ".git/", "code/__pycache__/"], 3)
    refused = importer.done(f"s3://{bucket}/models/a", default_ignores=False)
    assert "'.git/HEAD' cannot be in a version" in refused["reason"]  # a rule that no option lifts
    with moto_s3.client() as client:
        for path in (".git/config", ".git/HEAD"):
            client.delete_object(Bucket=bucket, Key=f"models/a/{path}")
        client.put_object(Bucket=bucket, Key="models/a/notes.txt", Body=b"ghp_" + b"a1B2c3" * 6)
    refused = importer.done(f"s3://{bucket}/models/a", default_ignores=False)
    assert refused["state"] == "failed"
    assert "notes.txt (a token of GitHub)" in refused["reason"]
    assert "--allow-secrets" in refused["reason"]
    allowed = importer.done(f"s3://{bucket}/models/a", default_ignores=False, allow_secrets=True)
    assert set(importer.files(allowed["version"])) == {
        "model.bin", "empty.env", "notes.txt", ".DS_Store", "code/__pycache__/a.pyc",
    }  # fmt: skip
    assert allowed["ignored"] == []
    reserved = importer.filled(f"s3://{bucket}/models/a")
    assert reserved["state"] == "failed"
    assert "REGISTRY_ALLOW_SECRETS=true" in reserved["state_reason"]  # MLflow's clients have no option


def test_a_model_that_was_made_for_an_import_goes_with_it_when_that_fails(
    start: Start, moto_s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    importer, bucket = with_bucket(start, moto_s3, monkeypatch, "models")
    none, some = f"s3://{bucket}/models/none", f"s3://{bucket}/models/some"
    with moto_s3.client() as client:
        client.put_object(Bucket=bucket, Key="models/some/a.bin", Body=b"weights")

    expect(404, importer.api.post("/models/new/imports", {"source": none}))
    expect(422, importer.api.post("/models/new/imports", {"source": "s3://other/a", "create_model": True}))
    expect(404, importer.api.get("/models/new"))
    asked = [importer.ask(none, "new", create_model=True) for _ in range(2)]
    assert importer.work()
    assert expect(200, importer.api.get("/models/new"))["state"] != "deleted"  # another import is still to come
    assert importer.work()
    assert [importer.now(one)["state"] for one in asked] == ["failed", "failed"]
    assert [model["name"] for model in expect(200, importer.api.get("/models"))["items"]] == ["fraud"]
    assert importer.registry.model("new").actions() == [
        "model.created", "import.requested", "import.requested", "import.failed", "import.failed", "model.deleted",
    ]  # fmt: skip
    made = importer.ask(some, "new", create_model=True)  # a name without versions is free again
    assert importer.work()
    assert importer.now(made)["version"] == 1
    importer.ask(none, "new", create_model=True)
    assert importer.work()
    assert expect(200, importer.api.get("/models/new"))["state"] != "deleted"
    importer.ask(none, "fraud", create_model=True)
    assert importer.work()
    assert expect(200, importer.api.get("/models/fraud"))["state"] != "deleted"  # it was there before


def test_a_single_object_becomes_a_version_under_its_own_name(
    start: Start, moto_s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    importer, bucket = with_bucket(start, moto_s3, monkeypatch, "models")
    content = some_bytes()
    with moto_s3.client() as client:
        client.put_object(Bucket=bucket, Key="models/a/model%20x.bin", Body=content)

    done = importer.done(f"s3://{bucket}/models/a/model%20x.bin")

    assert (done["state"], importer.files(done["version"])) == ("done", {"model%20x.bin": content})


UNFIT = {
    "nothing": ([], "there are no files below s3://"),
    "marker": (["", "b/"], "there are no files below s3://"),
    "step-up": (["../b"], "cannot be in a version"),
    "empty-step": (["x", "/b"], "cannot be in a version"),
    "invisible": (["x\u202egpj.exe"], "cannot be in a version"),
    "repository": (["x", "git~1/config"], "its configuration can run commands"),
    "device": (["sub/NUL.txt"], "is a device on Windows"),
    "encoded": (["a%2fb"], "percent-encoded"),
    "bare": (["HEAD", "config", "objects/a", "refs/a"], "cannot stand side by side"),
    "case": (["x", "X", "y", "Y"], "'x' is the same as 'X' where case does not count; 'y' is the same as 'Y'"),
    "several": (
        [*(f"NUL.{n}" for n in range(11)), "x"],
        "'NUL.8' cannot be in a version: its path must not have the part",
    ),
    "count": ([f"NUL.{n}" for n in range(12)], " and 2 more"),
    "secrets": (["x", ".env", "a/prod.env"], ".env (a file of environment variables), a/prod.env (a file of"),
    "clutter": ([".DS_Store", "a/__pycache__/x.pyc"], "there are no files below s3://"),
    "both": (["x", "x/y"], "cannot stand side by side"),
    "huge": (["x", "huge"], "huge is larger than 1000 bytes"),
}


def test_objects_that_cannot_be_a_version_are_refused_before_any_is_read(
    start: Start, moto_s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    importer, bucket = with_bucket(start, moto_s3, monkeypatch, "models", max_upload_bytes=1000)
    with moto_s3.client() as client:
        for what, (paths, _) in UNFIT.items():
            for path in paths:
                content = b"x" * 1001 if path == "huge" else b"" if path.endswith("/") or not path else b"some"
                client.put_object(Bucket=bucket, Key=f"models/{what}/{path}", Body=content)

    found = {what: importer.done(f"s3://{bucket}/models/{what}") for what in UNFIT}

    assert {(one["state"], one["files"], one["bytes"]) for one in found.values()} == {("failed", 0, 0)}
    told = {what: one["reason"] for what, one in found.items()}
    assert {what: reason for what, reason in told.items() if UNFIT[what][1] not in reason} == {}
    assert importer.registry.model("fraud").stages() == {}


def test_a_bucket_that_there_is_not_or_that_is_closed_is_a_refusal_not_a_wait(
    start: Start, moto_s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    importer, _ = with_bucket(start, moto_s3, monkeypatch, "models")
    absent = f"absent-{uuid.uuid4().hex}"
    other = start(f"s3://{absent}", s3_endpoint_url=moto_s3.endpoint_url, s3_region=moto_s3.region)

    failed = other.done(f"s3://{absent}/a")

    assert (failed["state"], failed["reason"]) == ("failed", f"s3://{absent}/a/ is not there (404)")
    assert importer.now(failed) == failed


@pytest.mark.parametrize("body", [
    {}, {"source": None}, {"source": 1}, {"source": ["https://x.test/a"]}, {"source": "OK", "files": []},
    {"source": "OK", "description": 1}, {"source": "OK", "metrics": {"auc": "high"}}, {"source": "OK", "more": 1},
    {"source": "OK", "aliases": ["latest"]}, {"source": "OK", "run": {"system": "ci"}}, {"source": "https://x\u0000"},
    {"source": "OK", "evaluations": [{"metrics": {"auc": 1}, "dataset_name": "not among the datasets"}]},
])  # fmt: skip
def test_what_is_said_of_the_version_is_checked_when_it_is_said(
    importer: Importer, https: HttpsServer, body: dict[str, Any]
) -> None:
    good = https.serve("/models/a.bin")

    refused = importer.api.post("/models/fraud/imports", {k: good if v == "OK" else v for k, v in body.items()})

    assert refused.status_code in {400, 422}
    assert not importer.work()


@pytest.mark.parametrize("role", ["reader", "writer", "promoter", "auditor"])
def test_only_an_admin_may_import(importer: Importer, https: HttpsServer, role: str) -> None:
    refused = importer.as_role(role).post("/models/fraud/imports", {"source": https.serve("/models/a.bin")})

    assert expect(403, refused)["permission"] == "version:import"
    assert not importer.work()


def test_nothing_is_imported_into_a_model_that_is_deleted_or_not_there(importer: Importer, https: HttpsServer) -> None:
    source = https.serve("/models/a.bin", Reply(some_bytes()))
    expect(200, importer.api.delete("/models/fraud"))

    assert expect(409, importer.api.post("/models/fraud/imports", {"source": source}))["code"] == "conflict"
    assert expect(404, importer.api.post("/models/unknown/imports", {"source": source}))["code"] == "not_found"
    assert expect(404, importer.api.get(f"/imports/{uuid.uuid4()}"))["code"] == "not_found"


def test_an_import_does_not_move_to_the_next_model_of_the_name(importer: Importer, https: HttpsServer) -> None:
    asked = importer.ask(https.serve("/models/a.bin", Reply(some_bytes())))
    expect(200, importer.api.delete("/models/fraud"))
    importer.registry.create_model()

    assert importer.work()

    assert importer.now(asked)["reason"] == "the model 'fraud' is deleted"
    assert importer.registry.model("fraud").stages() == {}
    assert https.seen == []


def test_a_request_repeated_with_its_key_is_one_import(importer: Importer, https: HttpsServer) -> None:
    body, key = {"source": https.serve("/models/a.bin", Reply(b"some"))}, {"Idempotency-Key": "k-1"}

    first, second = (expect(202, importer.api.post("/models/fraud/imports", body, headers=key)) for _ in range(2))

    assert first == second
    assert (importer.work(), importer.work()) == (True, False)


def test_bytes_that_the_registry_has_are_read_once_and_not_stored_again(
    importer: Importer, https: HttpsServer, storage_root: Path
) -> None:
    content = some_bytes()
    sha256 = importer.registry.blob(content)

    done = importer.done(https.serve("/models/a.bin", Reply(content)))

    assert (done["state"], https.count("/models/a.bin")) == ("done", 1)
    assert len(list(storage_root.glob(f"blobs/*/{sha256}/*"))) == 1
    assert importer.files(1) == {"a.bin": content}


def test_who_imports_bytes_of_others_may_register_them_from_then_on(importer: Importer, https: HttpsServer) -> None:
    content, admin = some_bytes(), importer.as_role("admin")
    importer.registry.blob(content)
    source = https.serve("/models/a.bin", Reply(content))
    asked = expect(202, admin.post("/models/fraud/imports", {"source": source}))

    assert importer.work()

    assert importer.now(asked)["state"] == "done"
    assert expect(200, importer.api.get("/models/fraud/versions/1"))["created_by"] == "admin"
    announced = expect(200, admin.post("/uploads", {"sha256": hashlib.sha256(content).hexdigest(),
                                                     "size": len(content)}))  # fmt: skip
    assert announced["state"] == "verified"


def test_neither_passwords_nor_cookies_are_sent(
    importer: Importer, https: HttpsServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login ann password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    source = https.serve("/models/a.bin", Reply(some_bytes(MOST_BYTES + 16), headers={"Set-Cookie": "session=1"}))

    done = importer.done(source)

    assert (done["state"], len(https.seen)) == ("done", 2)
    assert [{"Authorization", "Cookie"} & set(headers) for _, headers in https.seen] == [set(), set()]


def with_bucket(
    start: Start, server: S3Server, monkeypatch: pytest.MonkeyPatch, prefix: str, **changes: Any
) -> tuple[Importer, str]:
    """A registry with a model that may fetch from below *prefix* in a bucket that is not its own."""
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    bucket = server.new_bucket()
    settings = {"s3_endpoint_url": server.endpoint_url, "s3_region": server.region, **changes}
    importer = start(f"s3://{bucket}/{prefix}", storage_url=f"s3://{server.new_bucket()}", **settings)
    importer.registry.create_model()
    return importer, bucket
