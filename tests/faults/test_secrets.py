"""No secret is in any output, whatever breaks: each layer meets data that it cannot expect, in real processes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import socket
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from tests.conftest import SECRET
from tests.faults.conftest import StartFleet
from tests.support import forked_processes
from tests.support.databases import Database
from tests.support.faulty_store import Fault, Rule, faulty_store
from tests.support.polling import eventually
from tests.support.processes import environment
from tests.support.registry_builder import named_run
from tests.support.s3_server import S3Server
from tests.support.servers import Fleet
from tests.support.web_server import serving

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

PASSWORD = "the-password-of-the-database"
BODY = "what-only-the-body-of-a-request-says"
FILE = "/api/v1/models/fraud/versions/1/files/model.bin"
ARCHIVE = "/api/v1/models/fraud/versions/1/archive"
PEPPER = hmac.new(SECRET.encode(), b"tokens", hashlib.sha256).digest()
TRIGGERS = {
    "sqlite": "CREATE TRIGGER broken BEFORE INSERT ON audit_texts BEGIN SELECT RAISE(ABORT, 'a broken trigger'); END",
    "postgresql": "CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    "RAISE EXCEPTION 'a broken trigger' USING DETAIL = format('row %s', NEW); END $$; "
    "CREATE TRIGGER broken BEFORE INSERT ON audit_texts FOR EACH ROW EXECUTE FUNCTION broken()",
}


class Secrets:
    """What was used so far, and the search for it."""

    def __init__(self, *texts: str) -> None:
        self.texts = {SECRET, PASSWORD, BODY, PEPPER.hex(), repr(PEPPER)[2:-1], base64.b64encode(PEPPER).decode()}
        self.texts.update(texts)

    def leaked(self, output: str) -> set[str]:
        """The secrets in *output*; of a token, half of it is enough."""
        forms = {form for text in self.texts for form in (text, text[-len(text) // 2 :], json.dumps(text)[1:-1])}
        return {form for form in forms if len(form) > 8 and form in output}


@pytest.fixture
def fleet(start: StartFleet, database: Database) -> Fleet:
    """A server whose database has a password in its address, over a version whose bytes are stored."""
    url = make_url(database.url)
    if database.kind == "postgresql":
        url = url.set(username=url.username or "postgres", password=PASSWORD)
    return start(database_url=url.render_as_string(hide_password=False), log_level="debug")


@pytest.fixture
def corrupt(database: Database) -> Iterator[Callable[[str], None]]:
    """Run one statement behind the registry's back."""
    engine = sa.create_engine(database.url, poolclass=sa.NullPool)

    def execute(statement: str) -> None:
        with engine.begin() as connection:
            connection.execute(sa.text(statement))

    yield execute
    engine.dispose()


def request_of(fleet: Fleet, method: str, path: str, token: str, **options: Any) -> requests.Response:
    return requests.request(
        method, f"{fleet.server.url}{path}", headers={"Authorization": f"Bearer {token}"}, timeout=60, **options
    )


def test_what_breaks_in_a_server_shows_no_secret(
    fleet: Fleet, database: Database, corrupt: Callable[[str], None]
) -> None:
    with fleet.caller() as caller:
        caller.registry.create_model("fraud")
        number = caller.registry.model("fraud").version(
            files=[caller.registry.file(uuid.uuid4().bytes)], run=named_run("1"), stage="staging"
        )
        other = caller.make("POST", "/tokens", {"owner": "ci", "roles": ["reader"]})["token"]
        upload = caller.make("POST", "/uploads", {"sha256": "b" * 64, "size": 3})
    found = request_of(fleet, "GET", FILE, fleet.token, allow_redirects=False)
    signed = [url.rpartition("/")[2] for url in (upload["target"]["url"], found.headers["Location"])]
    secrets = Secrets(fleet.token, other, *signed)

    def breaks(method: str, path: str, token: str = fleet.token, **options: Any) -> None:
        assert request_of(fleet, method, path, token, **options).status_code == 500

    # The gate: a kind of account that no release has.
    corrupt("UPDATE accounts SET kind = 'nonsense' WHERE name = 'ci'")
    breaks("GET", "/api/v1/me", other)
    breaks("GET", "/api/2.0/mlflow/registered-models/get?name=fraud", other)
    # The database: a trigger that nothing expects, with the row's values in the statement and in its message.
    corrupt(TRIGGERS[database.kind])
    breaks("POST", "/api/v1/models", json={"name": "other", "description": BODY})
    breaks("POST", "/api/2.0/mlflow/registered-models/create", json={"name": "other", "description": BODY})
    # Services: a stage that no release has.
    corrupt("UPDATE models SET lifecycle = 'nonsense'")
    body = {"stage": "production", "reason": BODY}
    breaks("PUT", f"/api/v1/models/fraud/versions/{number}/stage", json=body)
    # The store: a key that none of its objects has.
    corrupt("UPDATE blobs SET key = 'nonsense'")
    breaks("GET", FILE)
    breaks("GET", f"/api/v1/models/fraud/versions/{number}/archive")
    # gunicorn: headers that it refuses, and says how they read.
    for header in (f"Authorization : Bearer {fleet.token}", f"X-A: b\r\n Bearer {fleet.token}"):
        raw(fleet, f"GET /api/v1/me HTTP/1.1\r\nHost: a\r\n{header}\r\n\r\n")
    raw(fleet, f"GET /{fleet.token} HTTP/1.1\r\nHost: a\r\nX\0: b\r\n\r\n")
    raw(fleet, f"GET /transfer/{signed[1]} HTTP/{fleet.token}\r\nHost: a\r\n\r\n")
    fleet.server.stop()

    output = fleet.server.log.read_text()
    assert fleet.server.events().count("internal_error") == 7
    assert secrets.leaked(output) == set()
    assert '"locals"' not in output


def raw(fleet: Fleet, text: str) -> None:
    """Send *text* as it is, and wait for the end of the answer."""
    with socket.create_connection(("127.0.0.1", fleet.server.port), timeout=60) as connection:
        connection.sendall(text.encode())
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass


def test_what_breaks_in_a_worker_shows_no_secret(
    fleet: Fleet, database: Database, corrupt: Callable[[str], None]
) -> None:
    address = "https://sources.test/models/model.bin?X-Amz-Signature=0123456789abcdef0123456789abcdef"
    with fleet.caller() as caller:
        caller.registry.create_model("fraud")
        caller.registry.file(uuid.uuid4().bytes)
    fleet.server.stop()  # its own threads would take the work
    # Rows that SQL wrote act while the release before may serve.
    corrupt("UPDATE registry SET unsealed_until = '2999-01-01 00:00:00.000000'")
    # Verification: an upload whose key no object has. Imports: asked for by a kind of account that no release has.
    corrupt("UPDATE uploads SET state = 'uploaded', key = 'nonsense'")
    corrupt(
        "INSERT INTO imports (id, model_id, source, facts, state, files, bytes, created_at, created_by) "
        f"""SELECT '{uuid.uuid4().hex}', id, '{address}', '{{"kind": "{BODY}", "run": 5}}', 'pending', 0, 0, """
        "created_at, created_by FROM models"
    )
    corrupt("UPDATE accounts SET kind = 'nonsense'")
    worker = fleet.worker()
    worker.launch()
    wanted = {"failed", "import_broke"}
    programs = (worker, fleet.server)  # with SQLite the server does the same work
    eventually(lambda: wanted <= {name for one in programs for name in one.events()}, "verification and import break")
    worker.stop()

    output = "".join(one.log.read_text() for one in programs)
    assert Secrets(fleet.token, address.partition("=")[2]).leaked(output) == set()
    assert '"locals"' not in output


def variables(database: Database, **settings: str) -> dict[str, str]:
    """Return the environment of a command of the server."""
    settings |= {"database_url": database.url, "secret_key": SECRET}
    return {f"REGISTRY_{name.upper()}": value for name, value in settings.items()}


def run(*arguments: str, folder: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return forked_processes.server().run("registry", "--debug", *arguments, cwd=folder, env=environment(**environ))


BROKEN: dict[str, Rule] = {
    "refuses": lambda _method, _path: Fault(status=403),
    "fails": lambda _method, _path: Fault(status=500),
    "closes": lambda _method, _path: Fault(close=True),
    "cuts": lambda method, _path: Fault(cut=3) if method == "GET" else Fault(lose=True),
    "answers nonsense": lambda _method, _path: Fault(status=200, headers=(("ETag", "nonsense"),)),
}


def only_blobs(status: int) -> Rule:
    """Answer *status* for each object but the one that names the store's owner."""
    return lambda _method, path: Fault(status=status) if "/blobs/" in path else None


def signature(url: str) -> list[str]:
    """Return what is secret of a presigned address."""
    found = re.findall("[?&]X-Amz-(?:Signature|Credential)=([^&]+)", url)
    assert len(found) == 2, url
    return [*found, url.partition("?")[2]]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)  # the layers below the store are tested above
def test_what_breaks_at_an_s3_store_shows_neither_its_key_nor_a_signed_address(
    start: StartFleet, database: Database, corrupt: Callable[[str], None], swift_s3: S3Server, tmp_path: Path
) -> None:
    statuses, commands = set(), []
    with faulty_store(swift_s3.endpoint_url) as store:
        settings = {
            "storage_url": f"s3://{swift_s3.new_bucket()}/models",
            "s3_endpoint_url": store.url,
            "s3_region": swift_s3.region,
        }
        fleet = start(**settings, environment=dict(swift_s3.environment), log_level="debug")
        with fleet.caller() as caller:
            caller.registry.create_model("fraud")
            caller.registry.model("fraud").version(files=[caller.registry.file(uuid.uuid4().bytes)], run=named_run("1"))
            waits = caller.make("POST", "/uploads", {"sha256": "b" * 64, "size": 3})
        location = request_of(fleet, "GET", FILE, fleet.token, allow_redirects=False).headers["Location"]
        requests_of_the_store = (
            ("POST", f"/api/v1/uploads/{waits['id']}/complete", None),
            ("GET", ARCHIVE, None),
            ("PUT", "/api/2.0/mlflow-artifacts/artifacts/1/a/artifacts/model.bin", BODY),
        )

        for store.rule in BROKEN.values():
            for method, path, body in requests_of_the_store:
                statuses.add(request_of(fleet, method, path, fleet.token, data=body).status_code)
        store.rule = only_blobs(403)
        commands.append(
            run("admin", "fsck", "--deep", folder=tmp_path, **variables(database, **settings), **swift_s3.environment)
        )
        store.rule = only_blobs(404)  # other statuses a client tries again for long
        client = {"REGISTRY_TOKEN": fleet.token, "REGISTRY_URL": fleet.server.url, "HOME": str(tmp_path)}
        commands.append(run("pull", "fraud:1", "-o", str(tmp_path / "pulled"), folder=tmp_path, **client))
        store.recover()
        corrupt("UPDATE blobs SET key = 'nonsense'")
        for path in (FILE, ARCHIVE):
            statuses.add(request_of(fleet, "GET", path, fleet.token).status_code)
        fleet.server.stop()

    output = "".join([fleet.server.log.read_text(), *(done.stdout + done.stderr for done in commands)])
    assert statuses == {500, 503}
    assert [done.returncode for done in commands] == [8, 1]  # its 404 is none of S3's
    assert output.count("Traceback") >= 2
    signed = [part for url in (waits["target"]["url"], location) for part in signature(url)]
    assert Secrets(fleet.token, swift_s3.secret_key, *signed).leaked(output) == set()
    assert re.findall("X-Amz-Signature=[0-9a-f]{8}", output) == []
    assert '"locals"' not in output


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_what_breaks_in_a_command_of_the_server_shows_no_secret(
    fleet: Fleet, database: Database, corrupt: Callable[[str], None], tmp_path: Path
) -> None:
    with fleet.caller() as caller:
        caller.registry.file(uuid.uuid4().bytes)
    corrupt("UPDATE blobs SET key = 'nonsense'")
    settings = variables(database, storage_url=f"file://{fleet.store}", data_dir=str(tmp_path))

    broken = run("admin", "fsck", "--deep", folder=tmp_path, **settings)
    unreachable = f"postgresql://registry:{PASSWORD}@127.0.0.1:1/registry?connect_timeout=2"
    refused = run("db", "upgrade", folder=tmp_path, **settings | {"REGISTRY_DATABASE_URL": unreachable})

    assert (broken.returncode, refused.returncode != 0) == (1, True)
    assert "Traceback" in broken.stderr
    assert "ValueError" in broken.stderr
    for done in (broken, refused):
        assert Secrets(fleet.token).leaked(done.stdout + done.stderr) == set()


def nonsense(_environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    """Answer as no release of the registry does."""
    start_response("200 OK", [("Content-Type", "application/json")])
    return [b'{"items": [{"number": [5]}], "next_cursor": null}']


def test_what_breaks_in_a_client_command_shows_no_secret(tmp_path: Path) -> None:
    token = "mrp_" + "b" * 50
    client = {"REGISTRY_TOKEN": token, "HOME": str(tmp_path)}
    with serving(nonsense) as url:
        broken = run("history", "fraud", "--url", url, folder=tmp_path, **client)
        command = ["registry", "history", "fraud", "--url", url, "--json"]
        plain = forked_processes.server().run(*command, cwd=tmp_path, env=environment(**client))

    assert (broken.returncode, plain.returncode) == (1, 0)
    assert "Traceback" in broken.stderr
    assert "run it again as registry --debug" in broken.stderr
    assert Secrets(token).leaked(broken.stdout + broken.stderr + plain.stderr) == set()
