"""The rows of the sealed log are compared with the entries: each kind of change is found, with all tiles there are."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from registry.db.models import Account, AuditEntry
from registry.db.session import db, transaction
from registry.domain import audit as entries
from registry.services import audit
from tests.services.audit.test_chains import SEALED_LOG, Vandal
from tests.support.databases import Database
from tests.support.registry_builder import RegistryBuilder
from tests.support.sealing import seal_all

BULK = 300  # entries: more than one tile of level 0, so that there is one of level 1
CHECKPOINT = "SELECT max(size) FROM audit_checkpoints"


@pytest.fixture
def sealed(app: Flask, registry: RegistryBuilder) -> Flask:
    """A log with two checkpoints, a tile above level 0 and an entry that is too large for a bundle."""
    registry.model("fraud").version(stage="production")
    pin = seal_all(app)
    with app.app_context(), transaction() as session:
        actor = _actor(session)
        bodies = [b'{"number":%d}' % number for number in range(BULK - 1)] + [b'"' + b"x" * 70_000 + b'"']
        session.execute(sa.insert(AuditEntry), [_row(actor, number, body) for number, body in enumerate(bodies)])
    seal_all(app, pin)
    return app


def _actor(session: Session) -> str:
    return session.scalars(sa.select(Account.id).limit(1)).one()


def _row(actor: str, number: int, body: bytes) -> dict[str, Any]:
    return {
        "uid": f"00000000-0000-4000-8000-{number:012}",
        "aggregate": "bulk",
        "seq": number + 1,
        "action": "bulk.added",
        "at": datetime(2026, 11, 1, tzinfo=UTC),
        "actor_id": actor,
        "body": body,
        "leaf_hash": entries.leaf_hash(body),
    }


def problems(app: Flask) -> list[str]:
    with app.app_context():
        (report,) = [report for report in audit.verify() if report.aggregate == SEALED_LOG]
        db.engine.dispose()
    return list(report.problems)


CHANGES = {
    "position 7: its leaf is": ["UPDATE audit_leaves SET leaf = (SELECT leaf FROM audit_leaves WHERE position = 8)"
                                " WHERE position = 7"],
    "position 4 is missing: 5 follows": ["DELETE FROM audit_leaves WHERE position = 4"],
    "position 3: its entry ": ["DELETE FROM audit_entries WHERE id = (SELECT entry_id FROM audit_leaves"
                               " WHERE position = 3)"],
    "the number of its entry in bulk is": ["UPDATE audit_leaves SET entry_id = -entry_id WHERE position IN (20, 21)",
                                           "UPDATE audit_leaves SET entry_id = CASE position WHEN 20"
                                           " THEN 1 - entry_id ELSE -1 - entry_id END WHERE position IN (20, 21)"],
    "tile 0 of level 1 is": ["UPDATE audit_tiles SET hashes = (SELECT leaf FROM audit_leaves WHERE position = 1)"],
    "there are 2 tiles, and the tree has 1": ["INSERT INTO audit_tiles SELECT 1, 1, hashes FROM audit_tiles"],
    "tile 0 of level 1 is None": ["DELETE FROM audit_tiles"],
    "the size of audit_tree is": ["UPDATE audit_tree SET size = size + 1"],
    "the hashes of audit_tree is": ["UPDATE audit_tree SET hashes = (SELECT leaf FROM audit_leaves LIMIT 1)"],
    "audit_tree has 0 rows": ["DELETE FROM audit_tree"],
    "of audit_tree is not one of the registry": ["UPDATE audit_tree SET origin = 'model-registry/x'"],
    "no checkpoint of the origin": ["UPDATE audit_tree SET origin = origin || '/7'"],
    "a log without an origin": ["UPDATE audit_tree SET origin = ''"],
    "it was copied wrongly": ["UPDATE audit_tree SET keys = replace(keys, 'model-registry', 'x')"],
    "the checkpoint of size": ["UPDATE audit_checkpoints SET root = (SELECT leaf FROM audit_leaves"
                               f" WHERE position = 1) WHERE size = ({CHECKPOINT})"],
    "the note of the checkpoint of size": ["UPDATE audit_checkpoints SET note = replace(note, 'model', 'muddle')"],
    "a checkpoint of size 9999 was signed, and": ["INSERT INTO audit_checkpoints SELECT origin, 9999, root, note,"
                                                  " signed_at, NULL FROM audit_checkpoints"
                                                  f" WHERE size = ({CHECKPOINT})"],
    "a checkpoint has the size -1": ["INSERT INTO audit_checkpoints SELECT origin, -1, root, note, signed_at, NULL"
                                     f" FROM audit_checkpoints WHERE size = ({CHECKPOINT})"],
    "the checkpoint of size 0 is": ["INSERT INTO audit_checkpoints SELECT origin, 0, root, note, signed_at, NULL"
                                    f" FROM audit_checkpoints WHERE size = ({CHECKPOINT})"],
    "1 entries are neither sealed nor wait for it": ["INSERT INTO audit_entries (uid, aggregate, at, action, actor_id,"
                                                     " leaf_hash, body, seq) SELECT"
                                                     " '00000000000040008000000000009999', 'bulk', at, action,"
                                                     " actor_id, leaf_hash, body, 9999 FROM audit_entries"
                                                     " WHERE seq = 7 AND aggregate = 'bulk'"],
    "1 entries are sealed and wait for it once more": ["INSERT INTO audit_pending SELECT min(entry_id)"
                                                       " FROM audit_leaves"],
    "sealed and wait for it once more, the first with the id 1": ["UPDATE audit_tree SET backfill_next = 1,"
                                                                  " backfill_until = 999999"],
    "1 entries wait to be sealed, and are no entries": ["INSERT INTO audit_pending VALUES (999999)"],
}  # fmt: skip


def test_an_untouched_log_is_as_its_entries_are(sealed: Flask) -> None:
    """Also while entries wait for a position."""
    whole = problems(sealed)
    with sealed.app_context(), transaction() as session:
        session.execute(sa.insert(AuditEntry), [_row(_actor(session), BULK, b"{}")])

    assert whole == problems(sealed) == []


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_change_of_a_row_of_the_sealed_log_is_found(sealed: Flask, database: Database, tmp_path: Path) -> None:
    path, kept = Path(str(sa.make_url(database.url).database)), tmp_path / "kept.db"
    problems(sealed)
    shutil.copyfile(path, kept)
    found = {}
    for expected, statements in CHANGES.items():
        Vandal(database).do(*statements)
        found[expected] = "\n".join(problems(sealed))
        for leftover in path.parent.glob(f"{path.name}*"):
            leftover.unlink()
        shutil.copyfile(kept, path)

    assert {expected: problem for expected, problem in found.items() if expected not in problem} == {}


def test_a_log_without_a_key_has_positions_only(app: Flask, registry: RegistryBuilder) -> None:
    registry.model("fraud").version()
    seal_all(app, signer=None)

    assert problems(app) == []
