"""Work that takes its worker along: each attempt counts, the third is the last, and an operator can ask for more."""

from __future__ import annotations

import functools
import hashlib
import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from registry.app import create_app
from registry.config import Settings
from registry.db.models import Artifact, Import, Upload
from registry.db.session import db, transaction
from registry.domain import clock
from registry.domain.registrations import Registration
from registry.http.context import EXTENSION
from registry.services import leases
from registry.services.artifacts import multipart
from registry.services.uploads import verification
from registry.storage.keys import incoming_key
from tests.api.test_pending_versions import whole
from tests.conftest import SECRET
from tests.support import forked_processes
from tests.support.api import Api
from tests.support.databases import Database
from tests.support.https_server import HttpsServer, Reply, running_https
from tests.support.importer import LONG_AGO, Importer
from tests.support.processes import environment
from tests.support.replies import expect

# A worker whose machine runs out of memory in the middle of an import.
DEADLY = """
import os, signal
from registry import worker
from registry.app import create_app
from registry.config import Settings
from registry.domain import clock
from registry.http.context import EXTENSION
from registry.services.imports import import_jobs

app = create_app(Settings.load())
found = app.extensions[EXTENSION]
with app.app_context():
    make = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    kinds = worker.kinds_of(found)
    import_jobs.run_next(store=found.store, sources=found.sources, make=make, kinds=kinds, protected=())
"""


@pytest.fixture(scope="module")
def https(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpsServer]:
    with running_https(tmp_path_factory.mktemp("https")) as server:
        yield server


@pytest.fixture
def variables(database: Database, https: HttpsServer, tmp_path: Path) -> dict[str, str]:
    return environment(
        REGISTRY_DATABASE_URL=database.url.replace("postgresql+psycopg", "postgresql"),
        REGISTRY_STORAGE_URL=f"file://{tmp_path}/store",
        REGISTRY_SECRET_KEY=SECRET,
        REGISTRY_DATA_DIR=str(tmp_path),
        REGISTRY_IMPORT_SOURCES=f"https://{https.place}/models",
        REQUESTS_CA_BUNDLE=str(https.certificate),
    )


@pytest.fixture
def importer(
    database: Database,
    make_settings: Callable[..., Settings],
    https: HttpsServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Importer]:
    """A registry with a model and a store of its own, where more than 3,000 bytes are left to a worker."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(https.certificate))
    sizes = {"single_put_bytes": 1000, "part_bytes": 1000, "inline_verify_bytes": 3000}
    sources = (f"https://{https.place}/models",)
    url = f"file://{tmp_path}/store"
    app = create_app(make_settings(database.url, import_sources=sources, storage_url=url, **sizes))
    importer = Importer(app, database.tokens)
    importer.registry.create_model()
    yield importer
    with app.app_context():
        db.engine.dispose()


def jobs(api: Api, **query: str) -> list[dict[str, Any]]:
    """The open jobs."""
    items: list[dict[str, Any]] = expect(200, api.get("/jobs", query_string=query))["items"]
    return items


def broken(*_: Any) -> Registration:
    raise ZeroDivisionError


def test_an_import_that_kills_its_worker_is_parked_after_three_and_done_when_an_operator_asks(
    importer: Importer, https: HttpsServer, variables: dict[str, str], tmp_path: Path
) -> None:
    asked = importer.ask(https.serve("/models/a.bin", *[Reply(b"x" * 1000)] * 12))
    deaths = []
    for _ in range(leases.MOST_ATTEMPTS):
        deaths.append(forked_processes.server().run("-c", DEADLY, cwd=tmp_path, env=variables).returncode)
        importer.end_leases()

    assert importer.work()

    assert deaths == [-9, -9, -9]
    assert importer.now(asked)["state"] == "parked"
    (job,) = jobs(importer.api, state="parked")
    assert (job["id"], job["kind"], job["model"]) == (asked["id"], "import", "fraud")
    assert "3 attempts ended without a result" in job["reason"]
    assert not importer.work()
    assert importer.registry.model("fraud").actions()[-1] == "import.parked"

    expect(200, importer.api.post(f"/jobs/{asked['id']}/retry"))
    assert importer.registry.model("fraud").actions()[-1] == "import.retried"
    assert importer.work()
    assert importer.now(asked)["state"] == "done"
    assert jobs(importer.api) == []


def test_a_defect_counts_and_a_store_that_is_away_does_not(
    importer: Importer, https: HttpsServer, tmp_path: Path
) -> None:
    asked = importer.ask(https.serve("/models/b.bin", *[Reply(b"x" * 1000)] * 30))
    away = (tmp_path / "store").rename(tmp_path / "away")
    for _ in range(leases.MOST_ATTEMPTS + 2):
        assert importer.work()
        importer.end_leases()
    waited = jobs(importer.api)
    away.rename(tmp_path / "store")

    for _ in range(leases.MOST_ATTEMPTS + 1):
        assert importer.work(broken)
        importer.end_leases()

    assert [(job["state"], job["attempts"]) for job in waited] == [("waiting", 0)]
    assert importer.now(asked)["state"] == "parked"


def test_a_worker_that_ends_in_good_order_gives_back_what_it_is_at(importer: Importer, https: HttpsServer) -> None:
    importer.ask(https.serve("/models/c.bin", Reply(b"x" * 1000)))
    with importer.app.app_context():
        row = leases.take(select(Import), Import)
        assert row is not None
        leases.Lease(row)
        held = jobs(importer.api)

        leases.give_back()

        (given_back,) = jobs(importer.api)
    assert [(job["state"], job["attempts"]) for job in held] == [("running", 1)]
    assert (given_back["state"], given_back["attempts"]) == ("waiting", 0)


def test_the_verification_of_an_upload_is_parked_and_its_version_waits(importer: Importer) -> None:
    content = b"y" * 4000
    upload = whole(importer.api, importer.registry, content)["id"]
    file = {"path": "model.bin", "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    number = importer.registry.model("fraud").version(files=[file])
    spend(importer, Upload)

    verify(importer)

    (job,) = jobs(importer.api)
    assert (job["id"], job["kind"], job["state"]) == (upload, "upload", "parked")
    assert importer.version(number)["state"] == "pending"
    expect(200, importer.api.post(f"/jobs/{upload}/retry"))
    verify(importer)
    assert importer.version(number)["state"] == "ready"


def test_the_hashing_of_an_artifact_is_parked(importer: Importer) -> None:
    key = incoming_key(str(uuid.uuid4()))  # as of a file that arrived in parts, which this store does not take
    with importer.app.app_context(), transaction() as session:
        session.add(
            Artifact(
                path="m/model.bin", sha256=None, size=1000, media_type="application/octet-stream", object=key,
                created_at=clock.now(), created_by=importer.actor.id,
            )
        )  # fmt: skip
    spend(importer, Artifact)

    hash_all(importer)

    (job,) = jobs(importer.api, state="parked")
    assert (job["kind"], job["subject"]) == ("artifact", "m/model.bin")
    again = expect(200, importer.api.post(f"/jobs/{job['id']}/retry"))
    assert (again["state"], again["attempts"]) == ("waiting", 0)


def test_only_a_parked_job_can_be_retried(importer: Importer, https: HttpsServer) -> None:
    asked = importer.ask(https.serve("/models/d.bin", Reply(b"x")))
    unknown = "00000000-0000-0000-0000-000000000000"

    refusals = [importer.api.post(f"/jobs/{job_id}/retry") for job_id in (asked["id"], unknown)]

    assert [refusal.status_code for refusal in refusals] == [409, 404]


def test_parked_jobs_are_in_the_metrics_the_diagnosis_and_the_command_line(
    importer: Importer, https: HttpsServer, variables: dict[str, str], tmp_path: Path
) -> None:
    asked = importer.ask(https.serve("/models/e.bin", *[Reply(b"x")] * 4))
    spend(importer, Import)
    importer.work()
    command = functools.partial(forked_processes.server().run, "registry", cwd=tmp_path, env=variables)

    scraped = importer.api.client.get("/metrics").get_data(as_text=True)
    listed = command("admin", "jobs", "--json")
    abandoned = command("admin", "jobs", "--abandoned", "--json")
    doctor = command("doctor", "--json")
    assert command("admin", "retry", asked["id"]).returncode == 0

    assert 'registry_jobs_parked{kind="import"} 1' in scraped
    assert [job["id"] for job in json.loads(listed.stdout)["jobs"]] == [asked["id"]]
    assert json.loads(abandoned.stdout) == {"jobs": []}
    assert "1 of kind import" in doctor.stdout
    assert jobs(importer.api)[0]["state"] == "waiting"


def spend(importer: Importer, table: Any) -> None:
    """Let every job of the table have been begun three times."""
    with importer.app.app_context(), transaction() as session:
        session.execute(update(table).values(attempts=leases.MOST_ATTEMPTS, leased_until=LONG_AGO))


def verify(importer: Importer) -> None:
    with importer.app.app_context():
        while verification.verify_next(store=importer.app.extensions[EXTENSION].store):
            pass
        verification.settle(store=importer.app.extensions[EXTENSION].store, protected=())


def hash_all(importer: Importer) -> None:
    with importer.app.app_context():
        while multipart.hash_next(store=importer.app.extensions[EXTENSION].store):
            pass
