"""Files of the artifact area that wait until a worker has hashed them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from registry.db.models import Upload
from registry.db.session import transaction
from registry.domain.errors import Conflict, Unavailable
from registry.services.artifacts import mlflow_sources
from tests.mlflow.test_artifacts_in_parts import FOLDER, NAME, PATH, Parted, digest, moto, parted
from tests.support.crashes import Crash, command
from tests.support.databases import Database
from tests.support.importer import LONG_AGO, Importer
from tests.support.mlflow_api import MlflowApi
from tests.support.processes import environment
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect

__all__ = ["parted"]  # fixtures

pytestmark = pytest.mark.share(7)


@moto
def test_files_that_wait_to_be_hashed_are_those_of_a_version_whatever_becomes_of_the_path(parted: Parted) -> None:
    parted.put(f"{FOLDER}/MLmodel", b"flavors:")
    parted.sent()
    with parted.app.app_context():
        manifest = mlflow_sources.manifest_at(f"mlflow-artifacts:/{FOLDER}", hosts=())
        assert manifest is not None
        facts = json.loads(json.dumps(mlflow_sources.wait_facts(manifest)))

        with pytest.raises(Unavailable):
            mlflow_sources.files_for(facts)
        parted.hash()
        parted.put(PATH, b"other")
        files = mlflow_sources.files_for(facts)

    assert [file.path for file in manifest.files] == ["MLmodel"]
    assert [(file.path, file.size) for file in manifest.waiting] == [(NAME, len(parted.content))]
    assert {file.path: (file.size, file.sha256) for file in files} == {
        "MLmodel": (8, digest(b"flavors:")),
        NAME: (len(parted.content), digest(parted.content)),
    }


@moto
def test_files_that_are_gone_before_they_were_hashed_are_no_versions(parted: Parted) -> None:
    parted.sent()
    with parted.app.app_context():
        manifest = mlflow_sources.manifest_at(f"mlflow-artifacts:/{FOLDER}", hosts=())
        assert manifest is not None
        parted.delete(PATH)

        with pytest.raises(Conflict, match="register it again"):
            mlflow_sources.files_for(mlflow_sources.wait_facts(manifest))


STEPS = {  # the first always runs: by then both objects exist
    "before the path knows": Crash("sql", "UPDATE artifacts SET sha256"),
    "before it has read": Crash("http.client.send", "GET /"),
    "before it writes": Crash("sql", "INSERT INTO uploads"),
    "while it writes": Crash("http.client.send", "/blobs/", 1),
    "before the registry knows": Crash("sql", "INSERT INTO blobs"),
    "before the other object goes": Crash("http.client.send", "DELETE /"),
}


@moto
@pytest.mark.parametrize("step", STEPS)
def test_a_worker_killed_while_it_hashes_is_followed_by_another(
    parted: Parted, step: str, tmp_path: Path, database: Any
) -> None:
    parted.sent()
    place = {f"REGISTRY_{name.upper()}": str(value) for name, value in parted.service.place.items()}
    settings = parted.app.extensions["model-registry"].settings
    env = environment(
        **place,
        REGISTRY_DATABASE_URL=settings.database_url.reveal(),
        REGISTRY_SECRET_KEY=settings.secret_key.reveal(),
        REGISTRY_DATA_DIR=str(tmp_path),
    )

    died = command("worker", "--once", cwd=tmp_path, env=env, crash=STEPS[step])
    parted.forget_leases()
    followed = command("worker", "--once", cwd=tmp_path, env=env)

    assert (died.returncode, followed.returncode) == (-9, 0), died.stderr + followed.stderr
    assert parted.read() == parted.content
    assert parted.row().sha256 == digest(parted.content)
    assert [finding for finding in parted.wrong() if finding.harm] == []
    with parted.app.app_context(), transaction() as session:
        session.execute(update(Upload).values(expires_at=LONG_AGO))
    parted.collect()
    parted.collect()
    assert [key.split("/")[0] for key in parted.stored()] == ["blobs"]
    parted.service.audit_reader.assert_chains()


@moto
def test_a_path_belongs_to_who_completed_it_first_until_its_registration_is_filled(
    parted: Parted, database: Database, registry: RegistryBuilder
) -> None:
    registry.create_model("fraud", lifecycle="open")
    parted.token = database.tokens["writer"]
    other = Parted(parted.service)
    other.token = database.tokens["promoter"]
    mine, others = parted.begin(), other.begin()
    parts, others_parts = parted.send(mine), other.send(others)
    expect(200, parted.complete(mine, parts))

    def refusals() -> list[int]:
        replies = [other.complete(others, others_parts), other.put(PATH, b"evil"), other.delete(PATH),
                   other.parts("create", FOLDER, path=NAME, num_parts=1)]  # fmt: skip
        assert all("belongs to writer" in reply.get_json()["message"] for reply in replies)
        return [reply.status_code for reply in replies]

    unhashed = refusals()
    MlflowApi(parted.client, parted.token).registry.model("fraud").register(source=f"mlflow-artifacts:/{FOLDER}")
    waiting = refusals()
    assert parted.hash()
    hashed = refusals()
    assert Importer(parted.app, {"all": parted.token}).work()

    assert (unhashed, waiting, hashed) == ([403] * 4, [403] * 4, [403] * 4)
    assert other.put(PATH, b"later").status_code == 200
    (file,) = expect(200, parted.service.api.get("/models/fraud/versions/1/files"))["items"]
    assert file["sha256"] == digest(parted.content)
