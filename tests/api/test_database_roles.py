"""A service whose database role could change history says so at its start, to its probes, to its monitor."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.engine import make_url
from structlog.testing import capture_logs

from registry.app import create_app
from registry.config import Secret, Settings
from registry.db import migrate
from registry.db.session import db
from registry.domain.access import LOCAL_DEV, Role
from registry.domain.errors import Conflict, Unavailable
from registry.http.context import EXTENSION
from registry.serve import check_key_and_store
from registry.services import audit, sealed_log
from registry.services.accounts import accounts
from registry.services.sealed_log.epochs import LogEpoch
from tests.conftest import SECRET
from tests.support.api import Api
from tests.support.crashes import command
from tests.support.databases import empty_postgres
from tests.support.processes import environment
from tests.support.replies import expect
from tests.support.sealing import SIGNER, MemoryPin, Sealed, require_whole, seal_all

EVENT = "database_role_can_change_history"


class Roles:
    """A migrated database, its owner, and a role that has the application's rights."""

    def __init__(self, server: str) -> None:
        mark = uuid.uuid4().hex[:12]
        self.owner, self.app, self.password = f"owner_{mark}", f"app_{mark}", mark
        url = make_url(empty_postgres(server))
        self._admin = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        for role in (self.owner, self.app):
            self.do(f"CREATE ROLE {role} LOGIN PASSWORD '{mark}'")
        self.do(f"GRANT ALL ON DATABASE {url.database} TO {self.owner}", f"ALTER SCHEMA public OWNER TO {self.owner}")
        migrate.upgrade(self.url(self.owner), app=migrate.DatabaseRole(self.app))

    def url(self, role: str) -> str:
        return self._admin.url.set(username=role, password=self.password).render_as_string(hide_password=False)

    def do(self, *statements: str) -> None:
        with self._admin.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    def close(self) -> None:
        database = self._admin.url.database
        self._admin = sa.create_engine(self._admin.url.set(database="postgres"), isolation_level="AUTOCOMMIT")
        self.do(f"DROP DATABASE {database} WITH (FORCE)", f"DROP ROLE {self.app}", f"DROP ROLE {self.owner}")
        self._admin.dispose()


@pytest.fixture
def roles(postgres_server: str) -> Iterator[Roles]:
    roles = Roles(postgres_server)
    yield roles
    roles.close()


def test_a_role_that_could_change_history_is_reported(
    roles: Roles, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    def look(role: str) -> tuple[str, str | None, float, list[str]]:
        """The state of /readyz and its word on the role, the metric, and what a server logs when it starts."""
        app = create_app(make_settings(roles.url(role), storage_url=f"file://{tmp_path / 'store'}"))
        with capture_logs() as lines:
            check_key_and_store(app)
        api = Api(app.test_client(), None)
        document = expect(200, api.get("/readyz"))
        text = api.client.get("/metrics").get_data(as_text=True)
        with app.app_context():
            db.engine.dispose()
        (unsafe,) = (line for line in text.splitlines() if line.startswith("registry_database_role_unsafe "))
        check = document["checks"]["privileges"]
        assert check["ok"]
        return document["status"], check["detail"], float(unsafe.split()[1]), [
            line["role"] for line in lines if line["event"] == EVENT
        ]  # fmt: skip

    def reported(reason: str) -> tuple[str, str, float, list[str]]:
        return "ready", f"{reason}: a stolen password of the service can change history", 1, [reason]

    owner, app = roles.owner, roles.app
    modest = ("ready", "the service's role can add to history and not change it", 0, [])

    assert look(owner) == reported(f"{owner} owns the tables")
    assert look(app) == modest
    roles.do(f"ALTER SCHEMA public OWNER TO {app}")
    assert look(app) == reported(f"{app} owns the schema")
    roles.do(f"ALTER SCHEMA public OWNER TO {owner}", f"GRANT {owner} TO {app}")
    assert look(app) == reported(f"{app} owns the tables")
    roles.do(f"REVOKE {owner} FROM {app}", f"ALTER ROLE {app} SUPERUSER")
    assert look(app) == reported(f"{app} is a superuser")
    roles.do(f"ALTER ROLE {app} NOSUPERUSER")
    assert look(app) == modest

    def work(role: str) -> str:
        done = command(
            "worker", "--once", cwd=tmp_path, env=environment(
                REGISTRY_DATABASE_URL=roles.url(role).replace("+psycopg", ""), REGISTRY_SECRET_KEY=SECRET,
                REGISTRY_STORAGE_URL=f"file://{tmp_path / 'store'}", REGISTRY_DATA_DIR=str(tmp_path),
            ),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return str(done.stderr)

    assert (work(owner).count(EVENT), work(app).count(EVENT)) == (1, 0)


def test_a_server_that_has_the_log_key_of_the_workers_reports_it(
    roles: Roles, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    def events(**changes: Any) -> list[str]:
        app = create_app(make_settings(roles.url(roles.app), storage_url=f"file://{tmp_path / 'store'}", **changes))
        with capture_logs() as lines:
            check_key_and_store(app)
        return [line["event"] for line in lines]

    assert "log_key_not_needed" in events(log_key=Secret(bytes(range(32)).hex()))
    assert "log_key_not_needed" not in events()


def test_once_there_is_a_role_for_sealing_only_it_seals(
    roles: Roles, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    sealer = f"sealer_{roles.password}"
    roles.do(f"CREATE ROLE {sealer} LOGIN PASSWORD '{roles.password}'")
    pin = MemoryPin()

    def seal(role: str) -> Sealed:
        app = create_app(make_settings(roles.url(role), storage_url=f"file://{tmp_path / 'store'}"))
        with app.app_context():
            accounts.create_token(f"of-{uuid.uuid4().hex}", [Role.READER], actor=LOCAL_DEV, pepper=b"pepper")
        try:
            seal_all(app, pin)
            return require_whole(app)
        finally:
            with app.app_context():
                db.engine.dispose()

    def begin_epoch(role: str) -> LogEpoch:
        app = create_app(make_settings(roles.url(role), storage_url=f"file://{tmp_path / 'store'}"))
        with app.app_context():
            try:
                return sealed_log.epochs.begin("restored", signer=SIGNER, pin=pin)
            finally:
                db.engine.dispose()

    assert len(seal(roles.app).ids) == 1
    owner = roles.url(roles.owner)
    assert migrate.upgrade(owner, sealer=migrate.DatabaseRole(sealer)) == {roles.app: False, sealer: True}
    assert migrate.check(owner) == []
    with pytest.raises(sa.exc.ProgrammingError, match="permission denied"):
        seal(roles.app)
    assert len(seal(sealer).ids) == 3
    with pytest.raises(Unavailable, match="may not seal"):
        begin_epoch(roles.app)
    assert "/2" in begin_epoch(sealer).origin
    assert migrate.upgrade(owner) == {roles.app: False, sealer: True}
    roles.do(f"GRANT INSERT ON audit_leaves TO {roles.app}")
    assert "lacks rights on audit_pending" in "".join(migrate.check(owner))
    roles.do(f"DROP OWNED BY {sealer}", f"DROP ROLE {sealer}")


def test_the_role_of_the_application_keeps_no_entry_from_being_sealed(
    roles: Roles, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    app = create_app(make_settings(roles.url(roles.app), storage_url=f"file://{tmp_path / 'store'}"))
    with app.app_context():
        accounts.create_token("auditor", [Role.AUDITOR], actor=LOCAL_DEV, pepper=b"pepper")
        db.engine.dispose()
    engine = sa.create_engine(roles.url(roles.app), poolclass=sa.NullPool)
    columns = "aggregate, at, action, actor_id, leaf_hash, body"

    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TEMPORARY TABLE audit_pending (entry_id bigint PRIMARY KEY)")
        connection.exec_driver_sql("GRANT ALL ON pg_temp.audit_pending TO PUBLIC")
        connection.exec_driver_sql(
            f"INSERT INTO audit_entries ({columns}, uid, seq) SELECT {columns}, gen_random_uuid(), 1000 "
            "FROM audit_entries ORDER BY id LIMIT 1"
        )
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TEMPORARY TABLE lure (id bigint)")
        noting = "CREATE TRIGGER noting AFTER INSERT ON lure FOR EACH ROW EXECUTE FUNCTION registry_audit_pending()"
        with pytest.raises(sa.exc.ProgrammingError, match="permission denied for function"):
            connection.exec_driver_sql(noting)

    with engine.connect() as connection:
        unnoted = "SELECT count(*) FROM audit_entries WHERE id NOT IN (SELECT entry_id FROM audit_pending)"
        assert connection.exec_driver_sql(unnoted).scalar() == 0


def test_a_service_that_may_not_seal_reads_positions_and_only_the_owner_erases(
    roles: Roles, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    sealer = f"sealer_{roles.password}"
    roles.do(f"CREATE ROLE {sealer} LOGIN PASSWORD '{roles.password}'")
    migrate.upgrade(roles.url(roles.owner), sealer=migrate.DatabaseRole(sealer))

    @contextmanager
    def connected(role: str) -> Iterator[Flask]:
        app = create_app(make_settings(roles.url(role), storage_url=f"file://{tmp_path / 'store'}"))
        try:
            with app.app_context():
                yield app
        finally:
            with app.app_context():
                db.engine.dispose()

    with connected(roles.app) as app:
        pepper = app.extensions[EXTENSION].pepper
        made = accounts.create_token("auditor", [Role.AUDITOR], actor=LOCAL_DEV, pepper=pepper)
        dave = accounts.create_token("dave", [Role.READER], actor=LOCAL_DEV, pepper=pepper)
        accounts.revoke(dave.id, actor=LOCAL_DEV)
    with connected(sealer) as app:
        seal_all(app)
    with connected(roles.app) as app:
        api = Api(app.test_client(), made.token)
        page = expect(200, api.get("/audit?after=start"))
        head = api.get("/audit?format=jsonl").text.splitlines()[0]
        for erase in (
            lambda: audit.erase_account("dave", reason="left"),
            lambda: audit.erase_text(page["items"][1]["id"], "owner", reason="left"),
        ):
            with pytest.raises(Conflict):
                erase()
    with connected(roles.owner):
        pseudonym = audit.erase_account("dave", reason="left")

    assert ([item["position"] for item in page["items"]], page["waiting"]) == ([0, 1, 2], False)
    assert json.loads(head)["export"]["checkpoint"]["size"] == 3
    assert pseudonym.startswith("erased-")
