"""The doctor on the server's machine, over each database."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from registry.db.models import Account, Heartbeat, Model, Upload, Version
from registry.db.session import transaction
from registry.domain import clock, confusables
from registry.services.maintenance import heartbeats
from tests.cli.commands.test_admin import admin, check, document, maintenance, worker
from tests.cli.conftest import CommandLine
from tests.support.api import Api
from tests.support.databases import Database
from tests.support.mlflow_api import MlflowApi
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect
from tests.support.store_maintenance import DAY, StoreMaintenance

__all__ = ["admin", "maintenance", "worker"]  # fixtures


def edit(maintenance: StoreMaintenance, table: Any, **values: Any) -> None:
    with maintenance.app.app_context(), transaction() as session:
        session.execute(update(table).values(**values))


@pytest.mark.usefixtures("worker")
def test_the_doctor_finds_a_registry_well(admin: CommandLine, database: Database, registry: RegistryBuilder) -> None:
    registry.model("fraud").version()

    done, told = admin("doctor"), admin("doctor", "--json")

    assert (done.code, told.code) == (0, 0)
    assert "WRONG" not in done.out
    found = document(told)
    own = {"sqlite": ["engine"], "postgresql": ["engine", "connections", "clock"]}[database.kind]
    role = {"sqlite": [], "postgresql": ["privileges"]}[database.kind]
    assert list(found) == ["database", "migrations", "storage", "secret_key", "identity", "audit_log", *role,
                           "abilities", "listing", "verification", "versions", "bytes", "jobs", *own, "workers",
                           "times", "aliases", "names", "runs"]  # fmt: skip
    # The throw-away PostgreSQL has no fsync, and its superuser serves. Nothing was sealed.
    assert {name for name, item in found.items() if item["fix"]} <= {"engine", "privileges", "audit_log"}
    assert {item["ok"] for item in found.values()} == {True}
    assert found["storage"]["detail"].startswith("the store refuses wrong bytes itself")


@pytest.mark.usefixtures("worker")
def test_the_doctor_warns_of_protected_aliases_of_versions_that_are_not_ready(
    admin: CommandLine, app: Flask, database: Database, registry: RegistryBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.create_model()
    mlflow_api = MlflowApi(app.test_client(), database.tokens["writer"])
    mlflow_api.registry.model("fraud").register(source="s3://elsewhere/model")
    mlflow_api("POST", "/registered-models/alias", name="fraud", alias="Champion", version="1")

    before = check(admin("doctor", "--json"), "aliases")
    monkeypatch.setenv("REGISTRY_PROTECTED_ALIASES", "champion")
    done = admin("doctor", "--json")

    assert (before["state"], done.code) == ("ok", 0)
    assert check(done, "aliases")["state"] == "warning"
    assert "fraud@Champion (version 1 is unverified)" in check(done, "aliases")["detail"]
    assert "registry alias set" in check(done, "aliases")["fix"]


@pytest.mark.usefixtures("worker")
def test_the_doctor_warns_of_names_that_look_alike(
    admin: CommandLine, app: Flask, api: Api, registry: RegistryBuilder
) -> None:
    """Those that were there before they were refused."""
    for model in ("fraud", "frond", "model1", "modell"):
        registry.create_model(model)
    for owner in ("bob", "bub", "root2"):
        expect(201, api.post("/tokens", {"owner": owner, "roles": ["reader"]}))
    before = check(admin("doctor", "--json"), "names")
    twin, bob, root = "fr\u0430ud", "b\u043eb", "r\u043eot"
    with app.app_context(), transaction() as session:
        rename = {"name": twin, "name_key": twin, "look": confusables.look(twin)}
        session.execute(update(Model).where(Model.name == "frond").values(rename))
        for name, other in (("bub", bob), ("root2", root)):
            account = update(Account).where(Account.name == name)
            session.execute(account.values(name=other, look=confusables.look(other)))

    done = admin("doctor", "--json")
    found = check(done, "names")

    assert (before["state"], done.code, found["state"]) == ("ok", 0, "warning")
    assert f"models: 'fraud' and {twin!r} (U+0430 CYRILLIC SMALL LETTER A)" in found["detail"]
    assert f"accounts: 'bob' and {bob!r} (U+043E CYRILLIC SMALL LETTER O)" in found["detail"]
    assert f"{root!r} (U+043E CYRILLIC SMALL LETTER O) like the name 'root'" in found["detail"]
    assert "model1" not in found["detail"]
    assert "registry admin forget-person" in found["fix"]


@pytest.mark.usefixtures("worker")
def test_the_doctor_reports_jobs_that_no_worker_does(
    admin: CommandLine, maintenance: StoreMaintenance, api: Api, registry: RegistryBuilder
) -> None:
    registry.model("fraud").version()
    expect(201, api.post("/uploads", {"sha256": "a" * 64, "size": 1}))
    long_ago = clock.now() - timedelta(minutes=11)
    edit(maintenance, Upload, state="uploaded", created_at=long_ago)
    edit(maintenance, Version, state="pending", created_at=long_ago)

    waiting = admin("doctor", "--json")
    edit(maintenance, Upload, lease_id=str(uuid.uuid4()), leased_until=clock.now() + DAY)
    worked_on = admin("doctor", "--json")

    assert (waiting.code, worked_on.code) == (8, 0)
    assert "2 uploads wait to be verified" in check(waiting, "verification")["detail"]
    assert "1 version is pending" in check(waiting, "versions")["detail"]
    assert all("run registry worker" in check(waiting, name)["detail"] for name in ("verification", "versions"))
    assert check(waiting, "verification")["fix"] == "Run registry worker, or more of them."


def test_the_doctor_reports_damage_and_where_to_read_about_it(
    admin: CommandLine, maintenance: StoreMaintenance, registry: RegistryBuilder
) -> None:
    files = [registry.file(path=f"{number}.bin") for number in range(3)]
    registry.model("fraud").move(registry.model("fraud").version(files=[*files]), "staging")
    registry.model("fraud").move(1, "production")
    maintenance.object(files[0]["sha256"]).unlink()
    maintenance.flip(files[1]["sha256"])
    maintenance.scrub_twice()

    done = admin("doctor", "--json")

    assert done.code == 8
    detail = check(done, "bytes")["detail"]
    assert "1 corrupt (registry audit --action blob.corrupt)" in detail
    assert "1 missing (registry audit --action blob.missing)" in detail


def test_the_doctor_reports_that_the_store_is_gone(
    admin: CommandLine, maintenance: StoreMaintenance, registry: RegistryBuilder
) -> None:
    registry.model("fraud").version()
    away = maintenance.root.rename(maintenance.root.with_name("away"))
    maintenance.root.write_bytes(b"no directory")
    try:
        done, plain = admin("doctor", "--json"), admin("doctor")
    finally:
        maintenance.root.unlink()
        away.rename(maintenance.root)

    assert (done.code, plain.code) == (8, 8)
    assert check(done, "storage")["ok"] is False
    assert "the artifact store cannot be used" in check(done, "storage")["detail"]
    assert check(done, "database")["ok"] is True
    assert "WRONG" in plain.out


def test_the_doctor_reports_that_no_worker_lives_and_which_one_fails(admin: CommandLine, app: Flask) -> None:
    workerless = admin("doctor", "--json")
    with app.app_context():
        heartbeats.Pulse("worker").beat(doing=[], failing=["scrubbing"])
    failing = admin("doctor", "--json")
    edit_beats(app)
    silent = admin("doctor")

    assert (workerless.code, failing.code, silent.code) == (8, 8, 8)
    assert check(workerless, "workers")["detail"] == "no worker lives, and none did in the last day"
    assert "registry worker" in check(workerless, "workers")["fix"]
    assert check(failing, "workers")["detail"].startswith("workers fail at scrubbing on ")
    assert "gave its last sign 3" in silent.out


def edit_beats(app: Flask) -> None:
    with app.app_context(), transaction() as session:
        session.execute(update(Heartbeat).values(beat_at=clock.now() - timedelta(minutes=5)))


def test_the_doctor_refuses_settings_that_make_no_sense(admin: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY_GC_GRACE", "soon")

    done = admin("doctor")

    assert done.code == 2
    assert "REGISTRY_GC_GRACE" in done.err
