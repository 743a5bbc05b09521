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
from registry.services.imports.import_jobs import GIVEN_UP_AFTER
from tests.api.hostile.bodies import FACTS
from tests.support.backdating import backdate
from tests.support.databases import Database
from tests.support.https_server import HttpsServer, Reply, listening, running_https
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
    found = Importer(fetching(database.kind), database.tokens)
    found.registry.create_model()
    yield found
    with found.app.app_context():
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


def test_the_reply_tells_where_the_import_is_followed_and_every_reader_may(
    importer: Importer, https: HttpsServer
) -> None:
    response = importer.api.post("/models/fraud/imports", {"source": https.serve("/models/a.bin")})

    assert response.headers["Location"] == f"/api/v1/imports/{response.get_json()['id']}"
    followed = expect(200, importer.as_role("reader").get(f"/imports/{response.get_json()['id']}"))
    assert followed == response.get_json()


def test_objects_below_a_prefix_become_a_version_and_those_beside_it_do_not(
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


HOSTILE = [
    "https://{other}/models/a.bin", "https://{place}:443/models/a.bin", "https://{place}./models/a.bin",
    "https://user@{place}/models/a.bin", "https://user:pass@{place}/models/a.bin",
    "https://{place}@{other}/models/a.bin", "https://{other}/https://{place}/models/a.bin",
    "https://{other}\\@{place}/models/a.bin", "https://{place}\\.{other}/models/a.bin",
    "https://{place}/modelsx/a.bin", "https://{place}/Models/a.bin", "https://{place}/MODELS/a.bin",
    "https://{place}/models/../secret.bin", "https://{place}/models/%2e%2e/secret.bin",
    "https://{place}/models/.%2E/secret.bin", "https://{place}/models/%252e%252e/secret.bin",
    "https://{place}/models/..%2fsecret.bin", "https://{place}/models/..%5csecret.bin",
    "https://{place}/models/./a.bin", "https://{place}/./models/a.bin", "https://{place}//models/a.bin",
    "https://{place}/%6dodels/a.bin", "https://{place}/secret.bin", "https://{place}/", "https://{place}",
    "https://{place}/models/a.bin?to=x", "https://{place}/models/a.bin?", "https://{place}/models/a.bin#x",
    "https://{place}/models/a.bin#", "https://{place}/models/a b.bin", "https://{place}/models/a.bin\n",
    "https://{place}/models/a.bin\r\nHost: {other}", "\thttps://{place}/models/a.bin", " https://{place}/models/a.bin",
    "https:/{place}/models/a.bin", "https:{place}/models/a.bin", "https:///{place}/models/a.bin",
    "//{place}/models/a.bin", "{place}/models/a.bin", "/models/a.bin", "https://", "https://:443/models/a.bin",
    "http://{place}/models/a.bin", "HTTP://{place}/models/a.bin", "ftp://{place}/models/a.bin",
    "http://169.254.169.254/latest/meta-data/", "https://169.254.169.254/latest/meta-data/",
    "https://[::ffff:127.0.0.1]/models/a.bin", "https://[::1/models/a.bin", "https://2130706433/models/a.bin",
    "https://0x7f.1/models/a.bin", "https://127.1/models/a.bin", "https://localhost/models/a.bin",
    "file:///etc/passwd", "file://{place}/models/a.bin", "data:,bytes", "gopher://{place}/models/a.bin",
    "s3://bucket/ab", "s3://bucket/ab/c", "s3://bucket/A", "s3://bucket", "s3://bucket/", "s3://bucket//a",
    "s3://bucket/a/../b", "s3://bucket/a/%2e%2e/b", "s3://bucket/a/./b", "s3://bucket/%61/b", "s3://bucket:80/a/b",
    "s3://user@bucket/a/b", "s3://Bucket/a/b", "s3://bucketx/a/b", "s3://other/a/b", "s3:///a/b", "s3:/bucket/a/b",
    "S3://bucket/ab", "s3n://bucket/a/b", "s3://bucket/a/b?versionId=1", "s3://bucket/a b",
    "arn:aws:s3:::bucket/a/b", "https://bucket.s3.amazonaws.com/a/b", "", "a", "https://" + "a" * 3000,
]  # fmt: skip


def test_a_location_that_is_not_allowed_is_refused_in_every_spelling_and_nobody_is_asked(
    start: Start, https: HttpsServer
) -> None:
    with listening() as ear, listening() as other:
        place, elsewhere = (f"127.0.0.1:{one.getsockname()[1]}" for one in (ear, other))
        importer = start(f"https://{place}/models", "s3://bucket/a", s3_endpoint_url=f"http://{elsewhere}")
        importer.registry.create_model()
        before = importer.registry.audit_entry_count()

        problems = {
            source: importer.api.post("/models/fraud/imports", {"source": source}).get_json()
            for source in (text.format(place=place, other=elsewhere) for text in HOSTILE)
        }

        assert {source: problem["status"] for source, problem in problems.items() if problem["status"] != 422} == {}
        assert {source for source, problem in problems.items() if set(problem["errors"]) != {"source"}} == set()
        assert importer.registry.audit_entry_count() == before
        assert not importer.work()
        for listener in (ear, other):
            with pytest.raises(BlockingIOError):
                listener.accept()


def test_the_refusal_does_not_tell_which_locations_are_allowed(importer: Importer, https: HttpsServer) -> None:
    refused = importer.api.post("/models/fraud/imports", {"source": "https://elsewhere.test/a.bin"})

    assert expect(422, refused)["errors"] == {"source": [
        "is not below a location that this registry may fetch from (REGISTRY_IMPORT_SOURCES); "
        "none is allowed by default"
    ]}  # fmt: skip
    assert https.place not in refused.get_data(as_text=True)


def test_no_location_is_allowed_by_default(start: Start) -> None:
    importer = start()
    importer.registry.create_model()

    refused = [importer.api.post("/models/fraud/imports", {"source": source})
               for source in ("https://sources.test/models/a", "s3://bucket/a")]  # fmt: skip

    assert [expect(422, reply)["code"] for reply in refused] == ["invalid"] * 2
    assert Settings.__dataclass_fields__["import_sources"].default == ()


def test_a_location_that_is_allowed_no_more_is_not_opened(start: Start) -> None:
    with listening() as ear:
        place = f"https://127.0.0.1:{ear.getsockname()[1]}"
        generous, strict = start(f"{place}/models"), start(f"{place}/models/public")
        generous.registry.create_model()
        asked = generous.ask(f"{place}/models/secret/a.bin")

        assert strict.work()

        failed = strict.now(asked)
        assert (failed["state"], failed["version"]) == ("failed", None)
        assert "is not below a location" in failed["reason"]
        with pytest.raises(BlockingIOError):
            ear.accept()


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
    assert expect(404, importer.api.post("/models/nobody/imports", {"source": source}))["code"] == "not_found"
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


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(status=302, headers={"Location": "https://elsewhere.test/a.bin"}), "(302), which is not followed"),
        (Reply(status=301, headers={"Location": "/models/other.bin"}), "(301), which is not followed"),
        (Reply(status=308, headers={"Location": "other.bin"}), "(308), which is not followed"),
        (Reply(status=404), "is not there (404)"),
        (Reply(status=401), "does not let this registry read it (401)"),
        (Reply(status=403), "does not let this registry read it (403)"),
        (Reply(b"some", status=206), "cannot be fetched (206)"),
        (Reply(status=204), "cannot be fetched (204)"),
        (Reply(b"some", headers={"Content-Encoding": "gzip"}), "comes encoded"),
        (Reply([b"x" * 100_000] * 50), "is larger than 4000000 bytes"),
    ],
    ids=["redirect", "to an allowed place", "relative", "404", "401", "403", "206", "204", "encoded", "huge"],
)
def test_what_a_source_refuses_is_refused_for_good_and_said(
    importer: Importer, https: HttpsServer, reply: Reply, reason: str
) -> None:
    https.serve("/models/other.bin", Reply(b"other"))

    failed = importer.done(https.serve("/models/a.bin", reply))

    assert (failed["state"], failed["version"]) == ("failed", None)
    assert reason in failed["reason"]
    assert (https.count("/models/a.bin"), https.count("/models/other.bin")) == (1, 0)
    assert importer.registry.model("fraud").actions() == ["model.created", "import.requested", "import.failed"]
    entry = expect(200, importer.api.get("/audit?action=import.failed"))["items"][0]
    assert (entry["actor"]["name"], entry["reason"]) == ("system", failed["reason"])
    assert not importer.work()


@pytest.mark.parametrize("name", ["", "a%2Fb.bin", "%00.bin", "%ff.bin", "%0a.bin", "%E2%80%AE.bin", "%5C"])
def test_a_last_step_that_can_be_no_file_name_is_refused_and_not_asked_for(
    importer: Importer, https: HttpsServer, name: str
) -> None:
    failed = importer.done(https.serve(f"/models/{name}", Reply(b"some")))

    assert (failed["state"], https.seen) == ("failed", [])


@pytest.mark.parametrize(
    "trouble",
    [Reply(status=503), Reply(status=500), Reply(status=429), Reply(b"only a part", announced=300_000)],
    ids=["503", "500", "429", "a body that breaks off"],
)
def test_trouble_that_may_pass_is_told_and_the_import_is_tried_again_later(
    importer: Importer, https: HttpsServer, trouble: Reply
) -> None:
    content = some_bytes()
    waiting = importer.done(https.serve("/models/a.bin", trouble, Reply(content)))

    assert waiting["state"] == "running"
    assert waiting["reason"].endswith("/models/a.bin cannot be read at the moment")
    assert not importer.work()
    importer.end_leases()
    assert importer.work()
    done = importer.now(waiting)
    assert (done["state"], done["reason"], importer.files(1)) == ("done", None, {"a.bin": content})


def test_a_server_that_nobody_trusts_or_that_is_not_there_is_not_read(
    importer: Importer, https: HttpsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = importer.ask(https.serve("/models/a.bin", Reply(b"some")))
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")

    assert importer.work()

    assert (importer.now(asked)["state"], https.seen) == ("running", [])


def test_trouble_that_does_not_pass_in_a_day_ends_the_import(
    importer: Importer, https: HttpsServer, app: Flask
) -> None:
    asked = importer.ask(https.serve("/models/a.bin", Reply(status=503)))
    assert importer.work()
    importer.end_leases()

    backdate(app, GIVEN_UP_AFTER)
    importer.work()

    failed = importer.now(asked)
    assert failed["state"] == "failed"
    assert failed["reason"].startswith("it could not be done within 24 hours: https://")


def test_bytes_that_change_between_the_two_looks_are_not_taken(
    importer: Importer, https: HttpsServer, storage_root: Path
) -> None:
    first, second = some_bytes(MOST_BYTES + 16), some_bytes(MOST_BYTES + 16)  # smaller files are read once

    for other in (second, first[:-1], first + b"!"):
        failed = importer.done(https.serve("/models/a.bin", Reply(first), Reply(other)))
        https.seen.clear()

        assert failed["state"] == "failed"
        assert failed["reason"].startswith("a.bin changed while it was read: ")
    assert importer.registry.model("fraud").stages() == {}
    for content in (first, second):
        assert list(storage_root.glob(f"blobs/*/{hashlib.sha256(content).hexdigest()}/*")) == []


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
