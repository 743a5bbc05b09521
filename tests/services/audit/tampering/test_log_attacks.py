"""The tamper matrix of the sealed log: each attack is found by the checks that the documentation names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import sqlalchemy as sa
from flask import Flask

from registry.client import RegistryClient
from registry.client.sealed_log import verification, witness
from registry.client.sealed_log.source import Source
from registry.db.models import Tree
from registry.db.session import db, engine_of
from registry.rules.audit_log.reports import Outcome
from registry.rules.audit_log.state import State
from registry.services import audit
from registry.services.sealed_log import standing
from tests.docs.pages import DOCS
from tests.services.audit.tampering.log_attacks import ATTACKS, Attacker, Check, Rows, put_back, rows_of
from tests.support.databases import Database
from tests.support.registry_builder import RegistryBuilder
from tests.support.sealing import SIGNER, MemoryPin, seal_all
from tests.support.web_server import serving

GUARDED = "SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger WHERE tgenabled = 'A'"  # also from a replica


@contextmanager
def unhindered(app: Flask) -> Iterator[sa.Connection]:
    """Connect as the owner of the database, whom no trigger and no foreign key hinders."""
    engine = sa.create_engine(engine_of(app).url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
            names = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
            for name in connection.exec_driver_sql(names).scalars().all():
                connection.exec_driver_sql(f"DROP TRIGGER {name}")
        else:
            for table in connection.exec_driver_sql(GUARDED).scalars().all():
                connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        yield connection
        connection.commit()


@dataclass
class Auditors:
    """All who check the log, with what they kept from before an attack."""

    app: Flask
    source: Source
    pin: MemoryPin
    state: State | None = None
    sighting: witness.Sighting | None = None

    def look(self) -> set[Check]:
        """Return the checks that find something."""
        keys = [key.verifier for key in SIGNER.keys(self._origin())]
        first = verification.verify(self.source, keys=keys)
        later = verification.verify(self.source, keys=keys, state=self.state, from_start=True)
        watched = witness.look(self.source, keys=keys, seen=self.sighting)
        with self.app.app_context():
            local = any(report.problems for report in audit.verify())
            forked = standing.examine(self.pin).fork is not None
            db.session.remove()
            db.engine.dispose()
        if self.state is None:
            self.state, self.sighting = first.state, watched.sighting
        reports = {Check.FIRST: first.report, Check.LATER: later.report, Check.WATCH: watched.report}
        found = {check for check, report in reports.items() if report.outcome is Outcome.TAMPERED}
        return found | ({Check.LOCAL} if local else set()) | ({Check.PIN} if forked else set())

    def _origin(self) -> str:
        with engine_of(self.app).connect() as connection:
            return str(connection.execute(sa.select(Tree.origin)).scalar_one())


def test_each_attack_is_found_by_the_checks_of_the_table(
    app: Flask, database: Database, registry: RegistryBuilder
) -> None:
    model = registry.model("fraud")
    model.version(stage="production", description="asked by Jürgen")
    pin = seal_all(app)
    with engine_of(app).connect() as connection:
        backup = rows_of(connection)
    registry.model("churn").version(stage="staging")
    seal_all(app, pin)
    pinned, found = pin.pinned, {}
    with serving(app) as url, RegistryClient(url, database.tokens["auditor"], retries=0) as client:
        auditors = Auditors(app, Source(client.audit, pause=lambda _: None), pin)
        assert auditors.look() == set()
        with engine_of(app).connect() as connection:
            whole = rows_of(connection)
        victim = position_of_registration(whole)

        for name, (attack, _) in ATTACKS.items():
            with unhindered(app) as connection:
                attack(Attacker(app, connection, pin, backup, victim))
            found[name] = auditors.look()
            pin.pinned = pinned
            with unhindered(app) as connection:
                put_back(connection, whole)
        assert auditors.look() == set()

    assert found == {name: checks for name, (_, checks) in ATTACKS.items()}


def position_of_registration(rows: Rows) -> int:
    """Return the position of the first entry that registers a version; others of its model follow."""
    tables = {table.name: content for table, content in rows.items()}
    entry = min(row["id"] for row in tables["audit_entries"] if row["action"] == "version.registered")
    return next(int(row["position"]) for row in tables["audit_leaves"] if row["entry_id"] == entry)


def test_the_documentation_has_the_table() -> None:
    rows = [
        f"| {name} | " + " | ".join("yes" if check in checks else "" for check in Check) + " |"
        for name, (_, checks) in ATTACKS.items()
    ]
    head = ["| what was done | " + " | ".join(Check) + " |", "|---" * (len(Check) + 1) + "|"]

    table = "\n".join([*head, *rows]).replace("  ", " ")

    assert table in (DOCS / "audit.md").read_text()
