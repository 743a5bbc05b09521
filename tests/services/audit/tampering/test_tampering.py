"""Attacks by the service's database user: each is refused, or verification reports it."""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from registry.config import Secret, Settings
from registry.db import migrate
from registry.db.session import db
from registry.domain import audit, canonical_json
from tests.services.audit.tampering.attacks import ATTACKS, FRAUD, REFUSED, STRUCTURE, Attack
from tests.services.audit.tampering.history import DATABASE, Installation, live

MakeSettings = Callable[..., Settings]


class Lived(Protocol):
    """A registry with a history, whose database can be put back to it."""

    kind: str
    installation: Installation
    url: str

    def put_back(self) -> None: ...

    def attempt(self, *statements: str) -> bool:
        """Run SQL as the service's own user; false when it was refused or changed nothing."""
        ...


class OnSqlite:
    kind = "sqlite"

    def __init__(self, root: Path, make: MakeSettings) -> None:
        self.path, self.kept = root / DATABASE, root / "kept.db"
        self.url = f"sqlite:///{self.path}"
        self.installation = Installation.on_sqlite(make, root)
        live(self.installation)
        self.keep()

    def keep(self) -> None:
        """Let the database be put back to what it is now."""
        with closing(sqlite3.connect(self.path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        shutil.copyfile(self.path, self.kept)

    def put_back(self) -> None:
        for leftover in self.path.parent.glob(f"{DATABASE}*"):
            leftover.unlink()
        shutil.copyfile(self.kept, self.path)

    def attempt(self, *statements: str) -> bool:
        before = self._content()
        try:
            with closing(sqlite3.connect(self.path)) as connection, connection:
                for statement in statements:
                    connection.execute(statement)
        except sqlite3.DatabaseError:
            return False
        return self._content() != before

    def _content(self) -> list[str]:
        with closing(sqlite3.connect(self.path)) as connection:
            return list(connection.iterdump())


class OnPostgres:
    kind = "postgresql"

    def __init__(self, root: Path, make: MakeSettings, server: str) -> None:
        mark = uuid.uuid4().hex[:12]
        self.name, self.kept, self.role = f"lived_{mark}", f"kept_{mark}", f"app_{mark}"
        self.server = sa.create_engine(server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        self.do(f"CREATE ROLE {self.role} LOGIN PASSWORD '{mark}'", f"CREATE DATABASE {self.name} TEMPLATE template0")
        self.owner_url = make_url(server).set(database=self.name).render_as_string(hide_password=False)
        self.url = make_url(self.owner_url).set(username=self.role, password=mark).render_as_string(hide_password=False)
        assert migrate.upgrade(self.owner_url, app=migrate.DatabaseRole(self.role)) == {self.role: True}
        self.installation = Installation.at(make(self.url), root)
        live(self.installation, owner=Installation.at(make(self.owner_url), root))
        self.do(f"CREATE DATABASE {self.kept} TEMPLATE {self.name}")

    def do(self, *statements: str) -> None:
        with self.server.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    def put_back(self) -> None:
        self.do(f"DROP DATABASE {self.name} WITH (FORCE)", f"CREATE DATABASE {self.name} TEMPLATE {self.kept}")

    def attempt(self, *statements: str) -> bool:
        engine = sa.create_engine(self.url, poolclass=sa.NullPool)
        try:
            with engine.begin() as connection:
                changed = sum(connection.exec_driver_sql(statement).rowcount for statement in statements)
        except sa.exc.DBAPIError:
            return False
        assert changed, statements
        return True

    def close(self) -> None:
        for name in (self.name, self.kept):
            self.do(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        self.do(f"DROP ROLE {self.role}")


@pytest.fixture(scope="module")
def lives(
    request: pytest.FixtureRequest, quick_disk: Path, make_settings: MakeSettings
) -> Iterator[Callable[[str], Lived]]:
    made: dict[str, Any] = {}

    def get(kind: str) -> Lived:
        if kind not in made:
            root = Path(tempfile.mkdtemp(dir=quick_disk))
            made[kind] = (
                OnSqlite(root, make_settings)
                if kind == "sqlite"
                else OnPostgres(root, make_settings, request.getfixturevalue("postgres_server"))
            )
        lived: Lived = made[kind]
        return lived

    yield get
    for lived in made.values():
        with lived.installation.app.app_context():
            db.engine.dispose()
        if lived.kind == "postgresql":
            lived.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def lived(request: pytest.FixtureRequest, lives: Callable[[str], Lived]) -> Iterator[Lived]:
    lived = lives(request.param)
    yield lived
    with lived.installation.context():
        pass  # so that no connection stays open


@pytest.fixture
def changed(lived: Lived) -> Iterator[Lived]:
    """As ``lived``; what the test does to it is undone."""
    yield lived
    lived.put_back()


def test_an_untouched_history_is_whole(lived: Lived) -> None:
    """On PostgreSQL all of it was lived as the application's role."""
    assert lived.installation.unlike() == {}
    assert {report.aggregate for report in lived.installation.verify()} >= {"log", "storage", "auth", "lineage"}
    assert migrate.check(lived.url) == []


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_is_refused_or_detected(lived: Lived, attack: Attack) -> None:
    expected = attack.sqlite if lived.kind == "sqlite" else attack.postgresql

    if not lived.attempt(*attack.sql):
        assert expected == REFUSED
        return
    try:
        found = expected != REFUSED and lived.installation.finds(expected)
        differences = None if found else lived.installation.unlike()
    finally:
        lived.put_back()

    assert expected != REFUSED
    assert found, differences


@pytest.mark.parametrize("lived", ["postgresql"], indirect=True)
def test_the_application_cannot_change_what_guards_history(lived: Lived) -> None:
    done = [statement for statement in STRUCTURE if lived.attempt(statement)]

    assert done == []


def test_an_entry_that_is_forged_with_its_head_has_no_seal(changed: Lived) -> None:
    """The forger knows the format and moves the head; the key is not in the database."""
    engine = sa.create_engine(changed.url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        last = connection.exec_driver_sql(
            f"SELECT * FROM audit_entries WHERE model_id = {FRAUD} ORDER BY seq DESC LIMIT 1"
        ).one()
        forged = uuid.uuid4()
        entry = json.loads(bytes(last.body))
        entry |= {"id": str(forged), "seq": last.seq + 1, "prev": last.leaf_hash, "action": "model.edited"}
        entry |= {
            "subject": {"model": "fraud"},
            "before": {},
            "after": {"lifecycle": "open"},
            "commit": {},
            "facts": {},
        }
        body = canonical_json.dumps(entry)
        leaf = audit.leaf_hash(body)
        row = last._asdict() | {"uid": forged.hex if changed.kind == "sqlite" else forged, "seq": last.seq + 1}
        row |= {"action": "model.edited", "version_id": None, "related_version_id": None, "leaf_hash": leaf}
        row |= {"body": body, "seal": audit.seal(b"a guess", leaf)}
        del row["id"], row["commit_order"]
        names = ", ".join(row)
        values = ", ".join(f":{name}" for name in row)
        connection.execute(sa.text(f"INSERT INTO audit_entries ({names}) VALUES ({values})"), row)
        head = {"seq": last.seq + 1, "leaf": leaf}
        connection.execute(
            sa.text("UPDATE models SET audit_seq = :seq, audit_head = :leaf, lifecycle = 'open' WHERE name = 'fraud'"),
            head,
        )

    assert "it is sealed with another key" in str(changed.installation.unlike()["fraud"])


def test_an_empty_log_is_not_taken_for_a_whole_one(tmp_path: Path, make_settings: MakeSettings) -> None:
    installation = Installation.on_sqlite(make_settings, tmp_path)

    assert sum(report.entries for report in installation.verify()) == 0


def test_another_secret_proves_nothing(lived: Lived, make_settings: MakeSettings, tmp_path: Path) -> None:
    other = Installation.at(
        make_settings(lived.url, secret_key=Secret("another secret, long enough as well")), tmp_path
    )

    differences = other.unlike()

    assert all("have no seal of this service" in str(gaps) for _, gaps in differences.values())
    assert "fraud" in differences
