"""Two registries on one store, an older copy of a database, a wrong bucket: nothing is deleted, nothing is marked."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url, update

from registry.cli.main import run
from registry.db import migrate
from registry.db.models import Blob
from registry.db.session import transaction
from registry.domain import clock
from registry.domain.errors import ForeignStore
from registry.storage.keys import IDENTITY
from tests.conftest import SECRET
from tests.faults.conftest import StartFleet
from tests.support.crashes import command
from tests.support.damageable_service import DamageableService, sha256
from tests.support.databases import Database
from tests.support.invariants import Invariants
from tests.support.polling import eventually
from tests.support.processes import environment
from tests.support.registry_builder import named_run
from tests.support.replies import expect
from tests.support.servers import Fleet
from tests.support.store_maintenance import MINUTE

STORES = pytest.mark.parametrize("service", ["local", "swift"], indirect=True)
OVER = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
REFUSED, CONFLICT = 8, 5
WHOLE = [
    ["admin", "gc"],
    ["admin", "gc", "--dry-run"],
    ["admin", "fsck", "--mark"],
    ["worker", "--once"],
    ["serve", "--bind", "127.0.0.1:1"],
]


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


class Registry:
    """The command line of a registry over the database at *url* and a store, in this process."""

    def __init__(self, url: str, place: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
        self.url, self.place, self.monkeypatch, self.capfd = url, place, monkeypatch, capfd

    def __call__(self, *arguments: str) -> Done:
        with self.monkeypatch.context() as patch:
            for name, value in self.settings.items():
                patch.setenv(name, value)
            self.capfd.readouterr()
            code = run(arguments)
            printed = self.capfd.readouterr()
        return Done(code, printed.out, printed.err)

    @property
    def settings(self) -> dict[str, str]:
        places = {f"REGISTRY_{name.upper()}": str(value) for name, value in self.place.items() if value}
        own = {"DATABASE_URL": self.url.replace("+psycopg", ""), "SECRET_KEY": SECRET, "GC_GRACE": "0"}
        return places | {f"REGISTRY_{name}": value for name, value in own.items()}


@pytest.fixture
def open_registry(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., Registry]:
    monkeypatch.setenv("REGISTRY_DATA_DIR", str(tmp_path / "data"))
    return lambda url, place: Registry(url, place, monkeypatch, capfd)


def empty_database(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    migrate.upgrade(f"sqlite:///{path}")
    return f"sqlite:///{path}"


def copy_of(database: Database, path: Path) -> str:
    """What a copy of the file is, taken now."""
    for file in Path(make_url(database.url).database or "").parent.glob("registry.db*"):
        shutil.copyfile(file, path.with_name(file.name.replace("registry.db", path.name)))
    return f"sqlite:///{path}"


def url_of(service: DamageableService) -> str:
    url: str = service.audit_reader.engine.url.render_as_string(hide_password=False)
    return url


def identity_of(service: DamageableService) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(service.store_editor.read(IDENTITY))
    return document


@STORES
@OVER
def test_a_second_registry_on_a_store_is_refused_and_deletes_nothing(
    service: DamageableService, invariants: Invariants, open_registry: Callable[..., Registry], tmp_path: Path
) -> None:
    content = service.small
    service.registry.model("fraud").version(files=[service.brought(content)], stage="production")
    second = open_registry(empty_database(tmp_path / "second.db"), service.place)

    refused = {" ".join(command): second(*command) for command in WHOLE}

    for done in refused.values():
        assert (done.code, "belongs to another registry" in done.err) == (REFUSED, True), done
        assert "registry admin adopt-store" in done.err
    looked = second("admin", "fsck", "--json")
    assert "foreign" in {finding["kind"] for finding in json.loads(looked.out)["findings"]}
    assert [finding for finding in invariants.fsck() if finding.harm] == []
    assert invariants.assert_sound() == {"fraud:1": "ready"}


@STORES
@OVER
def test_a_second_registry_is_refused_though_the_store_carries_no_identity_yet(
    service: DamageableService, invariants: Invariants, open_registry: Callable[..., Registry], tmp_path: Path
) -> None:
    service.registry.model("fraud").version(files=[service.brought(service.small)], stage="production")
    service.store_editor.remove(IDENTITY)  # as an older release leaves it
    second = open_registry(empty_database(tmp_path / "second.db"), service.place)
    first = open_registry(url_of(service), service.place)

    refused, taken, again = second("admin", "gc"), first("admin", "gc"), second("admin", "gc")

    assert (refused.code, "has objects, while this registry has stored none" in refused.err) == (REFUSED, True)
    assert taken.code == 0, taken.err
    assert (again.code, "belongs to another registry" in again.err) == (REFUSED, True)
    assert invariants.assert_sound() == {"fraud:1": "ready"}


@pytest.mark.parametrize("service", ["local"], indirect=True)
@OVER
def test_an_older_copy_of_the_database_is_refused_until_it_has_a_new_identity(
    service: DamageableService,
    invariants: Invariants,
    database: Database,
    open_registry: Callable[..., Registry],
    tmp_path: Path,
) -> None:
    service.registry.model("fraud").version(files=[service.brought(service.small)], stage="production")
    first = open_registry(database.url, service.place)
    copy = open_registry(copy_of(database, tmp_path / "copy.db"), service.place)
    service.registry.model("fraud").version(files=[service.brought(service.small)], stage="production")
    assert first("admin", "gc").code == 0

    refused, adopted = copy("admin", "gc"), copy("admin", "adopt-store", "--yes")

    assert (refused.code, "this database is an older copy" in refused.err) == (REFUSED, True)
    assert (adopted.code, "registry admin new-epoch first" in adopted.err) == (CONFLICT, True)
    assert first("admin", "gc").code == 0
    assert invariants.assert_sound() == {"fraud:1": "ready", "fraud:2": "ready"}
    began = copy("admin", "new-epoch", "--yes")
    assert (began.code, "1 model renumbered, " in began.out) == (0, True)
    assert copy("admin", "adopt-store", "--yes").code == 0
    done = first("admin", "gc")
    assert (done.code, "another epoch of this registry" in done.err) == (REFUSED, True)
    assert copy("audit", "verify", "--local").code == 0


@STORES
@OVER
def test_a_store_is_adopted_on_purpose_and_its_former_registry_is_refused(
    service: DamageableService, open_registry: Callable[..., Registry], tmp_path: Path
) -> None:
    service.registry.model("fraud").version(files=[service.brought(service.small)])
    first = open_registry(url_of(service), service.place)
    second = open_registry(empty_database(tmp_path / "second.db"), service.place)
    before = identity_of(service)

    looked, asked = second("admin", "adopt-store", "--dry-run"), second("admin", "adopt-store", "--json")
    unchanged = identity_of(service)
    adopted = second("admin", "adopt-store", "--yes")

    assert (looked.code, "the other 1 would be deleted after the grace period" in looked.out) == (0, True)
    assert asked.code == 2
    assert (unchanged, adopted.code) == (before, 0)
    assert identity_of(service)["registry"] != before["registry"]
    assert (first("admin", "gc").code, second("admin", "gc", "--dry-run").code) == (REFUSED, 0)
    told = second("admin", "adopt-store", "--yes")
    assert (told.code, "there is nothing to adopt" in told.err) == (CONFLICT, True)
    verified = second("audit", "verify", "--local")
    assert (verified.code, "storage: 1 entries, whole" in verified.out.splitlines()) == (0, True)


@OVER
def test_a_service_over_another_registrys_store_reads_on_and_takes_no_bytes(start: StartFleet, tmp_path: Path) -> None:
    fleet = start()
    with fleet.caller() as caller:
        caller.registry.create_model("fraud")
        caller.registry.model("fraud").version(
            files=[caller.registry.file(b"the first")], run=named_run("1"), stage="production"
        )
        (fleet.store / IDENTITY).write_text("{}")
        eventually(lambda: readiness(fleet)["status"] == "degraded", "the service notices")

        announced = caller("POST", "/uploads", {"sha256": sha256(b"new"), "size": 3})

        assert (announced.status_code, announced.json()["code"]) == (503, "unavailable")
        assert caller.get("/models/fraud/stages/production")["number"] == 1
    checks = readiness(fleet)["checks"]
    assert {name for name, check in checks.items() if not check["ok"]} == {"identity"}
    assert "registry-id" in checks["identity"]["detail"]


@OVER
def test_a_store_that_is_down_at_the_start_is_no_obstacle_and_is_claimed_later(
    start: StartFleet, database: Database, tmp_path: Path
) -> None:
    (tmp_path / "store").write_bytes(b"no directory")
    fleet = start()
    assert readiness(fleet)["status"] == "degraded"

    (tmp_path / "store").unlink()
    (tmp_path / "store").mkdir()
    eventually(lambda: readiness(fleet)["status"] == "ready", "the store is back")
    with fleet.caller() as caller:
        caller.registry.file(b"the first")
    worker = fleet.worker()
    worker.launch()

    eventually((fleet.store / IDENTITY).exists, "a worker claims the store")


@pytest.mark.parametrize("service", ["local"], indirect=True)
@OVER
def test_a_service_does_not_start_with_an_empty_store_in_place_of_the_configured_one(
    service: DamageableService, open_registry: Callable[..., Registry], tmp_path: Path
) -> None:
    service.registry.model("fraud").version(files=[service.brought(service.small)])
    wrong = open_registry(url_of(service), service.place | {"storage_url": (tmp_path / "wrong").as_uri()})

    variables = environment(**wrong.settings, REGISTRY_DATA_DIR=str(tmp_path / "data"))
    served = command("serve", "--bind", "127.0.0.1:1", cwd=tmp_path, env=variables)

    assert (served.returncode, "none of 1 objects that this registry has stored" in served.stderr) == (REFUSED, True)
    assert list((tmp_path / "wrong").iterdir()) == []


def readiness(fleet: Fleet) -> dict[str, Any]:
    with fleet.caller() as caller:
        document: dict[str, Any] = caller.session.get(f"{fleet.server.url}/readyz", timeout=60).json()
    return document


@pytest.mark.parametrize("service", ["local"], indirect=True)
def test_a_wrong_bucket_for_a_while_marks_nothing(service: DamageableService, tmp_path: Path) -> None:
    content = service.small
    service.registry.model("fraud").version(files=[service.brought(content)], stage="production")
    root = service.store_editor.root  # type: ignore[attr-defined]  # a local one

    away = root.rename(tmp_path / "away")
    root.mkdir()
    for _ in range(3):
        with suppress(ForeignStore):
            service.scrub()
    production = {"stage": "production", "reason": "a test"}
    service.registry.model("fraud").move(1, "archived", leave_vacant=True)
    service.registry.model("fraud").move(1, "staging")
    unsure = service.api.put("/models/fraud/versions/1/stage", production)
    shutil.rmtree(root)
    away.rename(root)
    service.scrub()

    assert unsure.status_code == 503
    assert expect(200, service.api.put("/models/fraud/versions/1/stage", production))["changed"]
    assert service.audit_reader.rows("SELECT uid FROM audit_entries WHERE action LIKE 'blob%'") == []
    assert service.audit_reader.rows("SELECT damage FROM blobs") == [(None,)]


@pytest.mark.parametrize("how", ["a worker", "fsck --mark"])
@STORES
@OVER
def test_what_was_missing_and_is_back_is_whole_within_a_minute(
    service: DamageableService, invariants: Invariants, open_registry: Callable[..., Registry], how: str
) -> None:
    service.registry.model("fraud").version(files=[service.brought(service.small)], stage="production")
    service.registry.model("fraud").version(files=[service.brought(service.small)])
    with service.app.app_context(), transaction() as session:  # as an older release did, a minute ago
        session.execute(update(Blob).values(damage="missing", checked_at=clock.now() - MINUTE))

    told = open_registry(url_of(service), service.place)("doctor", "--json")
    if how == "a worker":
        service.scrub()
    else:
        marked = open_registry(url_of(service), service.place)("admin", "fsck", "--mark")
        assert (marked.code, "2 repaired" in marked.out) == (0, True)

    assert "fsck --mark" in json.loads(told.out)["bytes"]["fix"]
    assert service.audit_reader.rows("SELECT damage FROM blobs") == [(None,), (None,)]
    assert [finding for finding in invariants.fsck() if finding.harm] == []
