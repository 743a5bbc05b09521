"""Another secret key is refused, a rotated one voids nothing, and a lost one is replaced on record."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from registry.cli.main import run
from registry.config import Secret, Settings
from registry.db import migrate
from registry.db.models import Registry
from registry.db.session import transaction
from registry.domain.errors import SecretKeyMismatch
from registry.services import audit
from registry.services.maintenance import secret_keys
from tests.services.audit.tampering.history import Installation
from tests.support.api import HOST, Api
from tests.support.databases import empty_postgres
from tests.support.registry_builder import in_process
from tests.support.replies import expect

OLD, NEW, OTHER = (f"the {name} secret key, long enough to be taken" for name in ("old", "new", "other"))
Replica = Callable[..., Installation]


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


Command = Callable[..., Done]


@pytest.fixture(params=["sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database that no service has used yet."""
    if request.param == "postgresql":
        found: str = empty_postgres(request.getfixturevalue("postgres_server"))
    else:
        found = f"sqlite:///{tmp_path}/registry.db"
    migrate.upgrade(found)
    return found


@pytest.fixture
def replica(url: str, make_settings: Callable[..., Settings], tmp_path: Path) -> Iterator[Replica]:
    """Replicas over one database with keys of their own; ``confirm`` is what each does when it starts."""
    made: list[Installation] = []

    def make(key: str, *previous: str, confirm: bool = True) -> Installation:
        settings = make_settings(url, secret_key=Secret(key), secret_key_previous=tuple(map(Secret, previous)))
        found = Installation.at(settings, tmp_path)
        made.append(found)
        if confirm:
            with found.context():
                secret_keys.confirm()
        return found

    yield make
    for one in made:
        with one.context():
            pass


@pytest.fixture
def command(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """Run a command of the server's machine with a key."""
    for name, value in (
        ("DATABASE_URL", url),
        ("STORAGE_URL", f"file://{tmp_path}/store"),
        ("DATA_DIR", str(tmp_path)),
    ):
        monkeypatch.setenv(f"REGISTRY_{name}", value)

    def call(key: str, *arguments: str) -> Done:
        monkeypatch.setenv("REGISTRY_SECRET_KEY", key)
        capfd.readouterr()
        code = run(arguments)
        printed = capfd.readouterr()
        return Done(code, printed.out, printed.err)

    return call


def api_of(replica: Installation, token: str) -> Api:
    return Api(replica.app.test_client(), token)


def recorded(replica: Installation) -> list[str]:
    with replica.context(), transaction() as session:
        return list(session.scalars(sa.select(Registry.secret_keys)).one() or ())


@pytest.mark.share(1)
@pytest.mark.parametrize("url", ["sqlite", "postgresql"], indirect=True)
def test_a_rotation_voids_no_token_address_cursor_or_seal(replica: Replica) -> None:
    old = replica(OLD)
    token = old.token("ann", ["admin", "writer", "reader", "promoter"])
    before = api_of(old, token)
    registry = in_process(before)
    registry.model("fraud").version(stage="production")
    registry.model("fraud").version()
    target = expect(201, before.post("/uploads", {"sha256": "ab" * 32, "size": 3}))["target"]["url"]
    address = before.get("/models/fraud/versions/1/files/model.bin").headers["Location"]
    cursor = expect(200, before.get("/models/fraud/versions?limit=1"))["next_cursor"]

    prepared = replica(OLD, NEW)  # before the change: what replicas with the new key issue is accepted everywhere
    new = replica(NEW, OLD)
    late = replica(OLD, NEW)  # restarted while the others have changed
    after, issued = api_of(new, token), new.token("bob", ["reader"])
    put = after.client.put(target.removeprefix(HOST), base_url=HOST, data=b"abc")

    assert expect(200, after.get("/me"))["name"] == "ann"
    assert expect(200, after.get(f"/models/fraud/versions?limit=1&cursor={cursor}"))["items"][0]["number"] == 1
    with after.get(address.removeprefix(HOST)) as bytes_of_version:
        assert bytes_of_version.status_code == 200
    assert (put.status_code, put.json["code"]) == (409, "upload_mismatch")  # the signature holds, the bytes do not
    assert {api_of(one, issued).get("/me").status_code for one in (prepared, late)} == {200}
    assert recorded(new) == recorded(late)
    registry.model("fraud").move(2, "staging")  # sealed with the old key, after entries that the new one sealed
    assert new.unlike() == late.unlike() == {}

    with new.context():
        older = secret_keys.older_tokens()
    assert (older.count, older.unknown) == (1, 0)
    signed = after.get("/models/fraud/versions/1/files/model.bin").headers["Location"]
    alone = replica(NEW)
    with api_of(alone, issued).get(signed.removeprefix(HOST)) as bytes_of_version:
        assert bytes_of_version.status_code == 200  # signed with the new key alone
    assert (api_of(alone, issued).get("/me").status_code, api_of(alone, token).get("/me").status_code) == (200, 401)
    with alone.context():
        assert secret_keys.older_tokens().unknown == 1
    with pytest.raises(SecretKeyMismatch):
        replica(OLD)


def test_a_key_that_is_not_the_databases_is_refused_and_named(replica: Replica, command: Command) -> None:
    own = replica(OLD)
    own.token("ann", ["reader"])
    commands = [["worker", "--once"], ["serve", "--bind", "127.0.0.1:1"], ["admin", "bootstrap", "--force"],
                ["audit", "checkpoint"]]  # fmt: skip

    refused = {" ".join(line): command(OTHER, *line) for line in commands}
    ready = Api(replica(OTHER, confirm=False).app.test_client(), None).get("/readyz")
    doctor = command(OTHER, "doctor", "--json")

    for done in refused.values():
        assert done.code == 8, done
        for part in (*recorded(own), "REGISTRY_SECRET_KEY_PREVIOUS", "registry admin replace-key"):
            assert part in done.err, done
    checks = expect(503, ready)["checks"]
    assert checks["secret_key"]["ok"] is False
    assert json.loads(doctor.out)["secret_key"]["state"] == "wrong"
    assert own.unlike() == {}  # nothing was written with the other key


def test_the_first_key_is_the_one_that_sealed_the_log(replica: Replica) -> None:
    """As after an upgrade from a release that recorded no fingerprint."""
    replica(OLD, confirm=False).token("ann", ["reader"])

    with pytest.raises(SecretKeyMismatch, match="sealed with last"):
        replica(OTHER)

    assert recorded(replica(OLD)) != []


def test_a_lost_key_is_replaced_on_record(replica: Replica, command: Command) -> None:
    lost = replica(OLD)
    token = lost.token("ann", ["reader"])

    done = command(NEW, "admin", "replace-key", "--reason", "the machine is gone")
    again = command(NEW, "admin", "replace-key", "--reason", "the machine is gone")

    found = replica(NEW)
    assert (done.code, again.code) == (0, 5), (done, again)
    assert recorded(found)[0] in done.out
    assert api_of(found, token).get("/me").status_code == 401
    with found.context():
        list(audit.record_baseline(accept_unsealed=True))
        reasons = [entry.reason for entry in audit.export(audit.Criteria(action="secret_key.replaced"))]
    assert reasons == ["the machine is gone"]
    assert found.unlike() == {}
    with found.context(), transaction() as session:
        session.execute(sa.update(Registry).values(secret_keys=["0" * 16]))
    assert "the fingerprints of the secret keys" in str(found.unlike()["registry"])
