"""Attacks on the sealed log by someone who may write every row: what each does, and which checks find it.

They change entries, leaves, positions and texts, rewrite the log with stolen keys, and restore a backup.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from flask import Flask

from registry.db.base import Base
from registry.db.models import AuditEntry, AuditText, Leaf, Model, SignedCheckpoint, Tree
from registry.domain import audit as entries
from registry.domain.sealing import grow
from registry.rules.audit_log.checkpoints import Checkpoint, read_checkpoint, sign_checkpoint
from registry.rules.audit_log.tree import CompactRange
from registry.services.audit import sealing
from registry.services.sealed_log.pins import Pinned
from registry.services.sealed_log.signer import Signer
from tests.support.sealing import SIGNER, MemoryPin

STRANGER = Signer([bytes(range(32))])
Rows = Mapping[sa.Table, list[Any]]


class Check(StrEnum):
    """Who looks. All but ``LOCAL`` and ``PIN`` do so over the API, with the key that the operator published."""

    FIRST = "a first `verify`"
    LATER = "a later `verify`"
    WATCH = "`watch`"
    LOCAL = "`verify --local`"
    PIN = "the pin"


FIRST, LATER, WATCH, LOCAL, PIN = Check
CONTENT = {FIRST, LATER, LOCAL}


def rows_of(connection: sa.Connection) -> Rows:
    """Return all rows of the database."""
    return {table: [row._asdict() for row in connection.execute(sa.select(table))] for table in _tables()}


def put_back(connection: sa.Connection, rows: Rows) -> None:
    """Make the database what it was, as a restored backup does."""
    present = rows_of(connection)
    for table in rows:
        if present[table] != rows[table]:
            connection.execute(table.delete())
            if rows[table]:
                connection.execute(table.insert(), rows[table])


def _tables() -> list[sa.Table]:
    return Base.metadata.sorted_tables


@dataclass
class Attacker:
    """Someone who holds the database, and in some attacks the keys of the service and the store with the pin.

    ``backup`` is the database as it was at the first of two checkpoints. ``victim`` is the position of an entry in the
    middle of its chain, with a text, which both checkpoints cover.
    """

    app: Flask
    connection: sa.Connection
    pin: MemoryPin
    backup: Rows
    victim: int

    def change(self, statement: Any) -> None:
        """Change at least one row."""
        assert self.connection.execute(statement).rowcount > 0

    def at(self, position: int) -> Any:
        """Return the entry at a position."""
        entry = sa.select(AuditEntry.__table__, Leaf.leaf).join(Leaf, Leaf.entry_id == AuditEntry.id)
        return self.connection.execute(entry.where(Leaf.position == position)).one()

    @property
    def size(self) -> int:
        """The size of the log."""
        return int(self.connection.execute(sa.select(Tree.size)).scalar_one())

    def forge(self, body: bytes) -> bytes:
        """Return the bytes of an entry with the request of another user."""
        request = bytes(body).partition(b'"req":"')[2].partition(b'"')[0]
        return bytes(body).replace(request, request[::-1])

    def rewrite_chain(self) -> None:
        """Change the victim, and give it and every later entry of its chain hashes, links and seals that agree."""
        victim = self.at(self.victim)
        chain = sa.select(AuditEntry.__table__).where(AuditEntry.aggregate == victim.aggregate)
        before, leaf = b"", ""
        for row in self.connection.execute(chain.order_by(AuditEntry.seq)).all():
            if row.seq < victim.seq:
                continue
            body = self.forge(row.body) if row.seq == victim.seq else row.body.replace(before, leaf.encode())
            before, leaf = row.leaf_hash.encode(), entries.leaf_hash(body)
            with self.app.app_context():
                seal = sealing.seal(leaf)
            changed = sa.update(AuditEntry).where(AuditEntry.id == row.id)
            self.change(changed.values(body=body, leaf_hash=leaf, seal=seal))
        self.change(sa.update(Model).where(Model.id == victim.model_id).values(audit_head=leaf))

    def rebuild_tree(self, signer: Signer) -> None:
        """Compute leaves and tree from the entries, and sign every checkpoint again."""
        log = sa.select(AuditEntry.body).join(Leaf, Leaf.entry_id == AuditEntry.id).order_by(Leaf.position)
        growth = grow(CompactRange(), self.connection.execute(log).scalars())
        assert not growth.hashes  # there are no tiles above level 0
        roots, tree = {}, CompactRange()
        for position, leaf in enumerate(growth.leaves):
            self.change(sa.update(Leaf).where(Leaf.position == position).values(leaf=leaf))
            tree.append(leaf)
            roots[tree.size] = tree.root()
        keys: list[Any] = []
        for row in self.connection.execute(sa.select(SignedCheckpoint.__table__).order_by(SignedCheckpoint.size)).all():
            keys = signer.keys(row.origin)
            note = sign_checkpoint(Checkpoint(row.origin, row.size, roots[row.size]), keys)
            signed = sa.update(SignedCheckpoint).where(SignedCheckpoint.size == row.size)
            self.change(signed.values(root=roots[row.size], note=note.decode()))
        public = "\n".join(str(key.verifier) for key in keys)
        self.change(sa.update(Tree).values(hashes=growth.tree.dump(), keys=public))


def changed_body(attacker: Attacker) -> None:
    entry = attacker.at(attacker.victim)
    attacker.change(sa.update(AuditEntry).where(AuditEntry.id == entry.id).values(body=attacker.forge(entry.body)))


def changed_leaf(attacker: Attacker) -> None:
    attacker.change(sa.update(Leaf).where(Leaf.position == attacker.victim).values(leaf=bytes(32)))


def swapped_positions(attacker: Attacker) -> None:
    one, other = (attacker.at(position) for position in (attacker.victim - 1, attacker.victim))
    for position, entry in ((attacker.victim - 1, None), (attacker.victim, one), (attacker.victim - 1, other)):
        swapped = {"entry_id": entry.id, "leaf": entry.leaf} if entry else {"entry_id": -1}
        attacker.change(sa.update(Leaf).where(Leaf.position == position).values(swapped))


def deleted_entry(attacker: Attacker) -> None:
    entry = attacker.at(attacker.victim)
    attacker.change(sa.delete(AuditText).where(AuditText.entry_uid == entry.uid))
    attacker.change(sa.delete(AuditEntry).where(AuditEntry.id == entry.id))


def truncated_tail(attacker: Attacker) -> None:
    """Cut the log at the first checkpoint; the rows that the entries are about stay."""
    latest = attacker.connection.execute(sa.select(sa.func.max(SignedCheckpoint.size))).scalar_one()
    attacker.change(sa.delete(SignedCheckpoint).where(SignedCheckpoint.size == latest))
    (tree,) = attacker.backup[Tree.__table__]  # type: ignore[index]  # a Table
    lost = sa.select(Leaf.entry_id).where(Leaf.position >= tree["size"])
    uids = sa.select(AuditEntry.uid).where(AuditEntry.id.in_(lost))
    attacker.connection.execute(sa.delete(AuditText).where(AuditText.entry_uid.in_(uids)))
    attacker.change(sa.delete(AuditEntry).where(AuditEntry.id.in_(lost)))
    attacker.change(sa.delete(Leaf).where(Leaf.position >= tree["size"]))
    attacker.change(sa.update(Tree).values(size=tree["size"], hashes=tree["hashes"]))


def inserted_entry(attacker: Attacker) -> None:
    """Insert a forged copy of the victim before it; the positions behind it move by one."""
    entry = attacker.at(attacker.victim)
    copy = {name: value for name, value in entry._asdict().items() if name not in {"id", "leaf"}}
    copy |= {"uid": "00000000-0000-4000-8000-000000000000", "seq": -1, "body": attacker.forge(entry.body)}
    attacker.connection.execute(sa.insert(AuditEntry), copy)
    forged = attacker.connection.execute(sa.select(AuditEntry.id).where(AuditEntry.seq == -1)).scalar_one()
    for position in range(attacker.size - 1, attacker.victim - 1, -1):
        attacker.change(sa.update(Leaf).where(Leaf.position == position).values(position=position + 1))
    leaf = bytes.fromhex(entries.leaf_hash(copy["body"]))
    attacker.connection.execute(sa.insert(Leaf), {"position": attacker.victim, "entry_id": forged, "leaf": leaf})


def rewritten_chain(attacker: Attacker) -> None:
    attacker.rewrite_chain()


def rewritten_log(attacker: Attacker) -> None:
    attacker.rewrite_chain()
    attacker.rebuild_tree(STRANGER)


def rewritten_log_with_all_keys(attacker: Attacker) -> None:
    attacker.rewrite_chain()
    attacker.rebuild_tree(SIGNER)
    latest = sa.select(SignedCheckpoint.note).order_by(SignedCheckpoint.size.desc()).limit(1)
    attacker.pin.pinned = Pinned(attacker.connection.execute(latest).scalar_one().encode(), "replaced")


def forged_signature(attacker: Attacker) -> None:
    """Put the root of other entries into the latest checkpoint, under the signature that it has."""
    latest = sa.select(SignedCheckpoint.__table__).order_by(SignedCheckpoint.size.desc()).limit(1)
    row = attacker.connection.execute(latest).one()
    seen = read_checkpoint(row.note.encode())
    other = sign_checkpoint(Checkpoint(seen.origin, seen.size, bytes(32)), STRANGER.keys(seen.origin)).decode()
    note = other.partition("\n\n")[0] + "\n\n" + row.note.partition("\n\n")[2]
    attacker.change(sa.update(SignedCheckpoint).where(SignedCheckpoint.size == row.size).values(note=note))


def changed_text(attacker: Attacker) -> None:
    entry = attacker.at(attacker.victim)
    attacker.change(sa.update(AuditText).where(AuditText.entry_uid == entry.uid).values(text="an excuse"))


def restored_backup(attacker: Attacker) -> None:
    put_back(attacker.connection, attacker.backup)


ATTACKS: Mapping[str, tuple[Callable[[Attacker], None], set[Check]]] = {
    "the bytes of an entry were changed": (changed_body, CONTENT),
    "a leaf hash was changed": (changed_leaf, {LOCAL, PIN}),
    "two positions were swapped": (swapped_positions, {*CONTENT, PIN}),
    "an entry was deleted": (deleted_entry, CONTENT),
    "the end of the log was cut off": (truncated_tail, {LATER, WATCH, LOCAL, PIN}),
    "an entry was inserted": (inserted_entry, {*CONTENT, PIN}),
    "a chain was rewritten with the secret key": (rewritten_chain, CONTENT),
    "the log was rewritten and signed with another key": (rewritten_log, {FIRST, LATER, WATCH, PIN}),
    "the log was rewritten with all keys, and the pin": (rewritten_log_with_all_keys, {LATER, WATCH}),
    "a checkpoint was forged": (forged_signature, {FIRST, LATER, WATCH, LOCAL}),
    "a text was changed": (changed_text, CONTENT),
    "an older backup was restored": (restored_backup, {LATER, WATCH, PIN}),
}
