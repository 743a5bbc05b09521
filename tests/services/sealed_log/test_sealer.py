"""Sealing: positions without gaps in the order of each chain, signed checkpoints, the pin, and what refuses to sign."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
import sqlalchemy as sa
from flask import Flask

from registry.db import migrate
from registry.db.models import PendingEntry, SignedCheckpoint, Tree
from registry.db.session import engine_of, reading, transaction
from registry.domain.errors import Unavailable
from registry.domain.sealing import Forked
from registry.rules.audit_log.checkpoints import read_checkpoint
from registry.services import sealed_log
from registry.services.sealed_log.pins import Pinned
from tests.support.databases import Database
from tests.support.registry_builder import RegistryBuilder
from tests.support.sealing import SIGNER, MemoryPin, append_copies, entry_ids, require_whole, seal_all


def test_every_entry_gets_a_position_and_the_checkpoint_is_published(app: Flask, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(stage="production")
    registry.model("churn").version()

    pin = seal_all(app)

    sealed = require_whole(app)
    assert sealed.ids == entry_ids(app)
    (checkpoint,) = sealed.checkpoints
    assert checkpoint.size == len(sealed.ids)
    assert pin.pinned is not None
    assert read_checkpoint(pin.pinned.note) == checkpoint


def test_what_is_sealed_keeps_its_position(app: Flask, registry: RegistryBuilder) -> None:
    registry.model("fraud").version()
    pin = seal_all(app)
    before = require_whole(app).ids

    registry.model("churn").version(stage="production")
    seal_all(app, pin)

    after = require_whole(app)
    assert after.ids[: len(before)] == before
    assert after.ids == entry_ids(app)
    assert [one.size for one in after.checkpoints] == [len(before), len(after.ids)]


def test_nothing_new_signs_nothing(app: Flask, registry: RegistryBuilder) -> None:
    registry.model("fraud").version()
    pin = seal_all(app)
    pinned = pin.pinned

    seal_all(app, pin)

    assert pin.pinned == pinned
    assert len(require_whole(app).checkpoints) == 1


def test_a_process_without_the_key_gives_positions_and_one_with_it_signs(app: Flask, registry: RegistryBuilder) -> None:
    registry.model("fraud").version()

    seal_all(app, signer=None)
    unsigned = require_whole(app)
    seal_all(app)

    assert unsigned.ids == entry_ids(app)
    assert unsigned.checkpoints == []
    assert [one.size for one in require_whole(app).checkpoints] == [len(unsigned.ids)]


def test_entries_from_before_there_was_a_sealed_log_come_first(
    app: Flask, database: Database, registry: RegistryBuilder
) -> None:
    registry.model("fraud").version(stage="production")
    engine_of(app).dispose()
    migrate.downgrade(database.url, "0025")
    migrate.upgrade(database.url)
    old = entry_ids(app)
    registry.model("churn").version()

    seal_all(app)

    assert require_whole(app).ids == entry_ids(app)
    assert entry_ids(app)[: len(old)] == old
    assert len(entry_ids(app)) > len(old)


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_an_entry_that_is_committed_late_is_sealed_after_those_with_later_ids(
    app: Flask, database: Database, registry: RegistryBuilder
) -> None:
    model = registry.model("fraud")
    with sa.create_engine(database.url, poolclass=sa.NullPool).connect() as slow:
        columns = "uid, aggregate, at, action, actor_id, leaf_hash, body"
        slow.exec_driver_sql(
            f"INSERT INTO audit_entries ({columns}, seq) SELECT gen_random_uuid(), 'late', at, action, actor_id, "
            f"leaf_hash, body, 1 FROM audit_entries ORDER BY id LIMIT 1"
        )
        model.version()
        pin = seal_all(app)
        early = require_whole(app).ids
        slow.commit()

    seal_all(app, pin)

    sealed = require_whole(app)
    assert sealed.ids[:-1] == early
    assert sealed.ids[-1] < max(early)
    assert sorted(sealed.ids) == entry_ids(app)


def test_two_sealers_and_writers_at_once_leave_no_gap(app: Flask, registry: RegistryBuilder) -> None:
    pin = MemoryPin()

    def write(number: int) -> None:
        registry.model(f"model-{number}").version(stage="staging")

    with ThreadPoolExecutor(4) as threads:
        written = [threads.submit(write, number) for number in range(4)]
        sealing = [threads.submit(seal_all, app, pin) for _ in range(12)]
        for one in written + sealing:
            one.result()
    seal_all(app, pin)

    assert sorted(require_whole(app).ids) == entry_ids(app)


@dataclass
class OvertakenPin(MemoryPin):
    """A pin that another sealer moves on before the first write."""

    overtake: Callable[[MemoryPin], object] | None = None

    def write(self, note: bytes, *, replaces: Pinned | None) -> bool:
        overtake, self.overtake = self.overtake, None
        if overtake is not None:
            with ThreadPoolExecutor(1) as thread:
                thread.submit(overtake, self).result()
        return super().write(note, replaces=replaces)


def test_a_sealer_that_another_one_has_overtaken_goes_on(app: Flask, registry: RegistryBuilder) -> None:
    registry.model("fraud").version()

    def overtake(pin: MemoryPin) -> None:
        registry.model("churn").version()
        seal_all(app, pin)

    seal_all(app, OvertakenPin(overtake=overtake))

    assert require_whole(app).ids == entry_ids(app)


def test_an_older_state_than_the_pinned_one_is_not_sealed(app: Flask, registry: RegistryBuilder) -> None:
    registry.model("fraud").version()
    pin = seal_all(app)
    registry.model("churn").version()
    ahead = seal_all(app, MemoryPin(pin.pinned)).pinned
    assert ahead is not None
    put_back(app)
    registry.model("lost").version()

    with app.app_context(), pytest.raises(Forked, match="an older state"):
        sealed_log.seal_next(SIGNER, MemoryPin(ahead))

    with app.app_context(), reading() as session:
        assert session.scalars(sa.select(PendingEntry)).first() is not None
        assert session.scalars(sa.select(Tree.size)).one() == 0


def put_back(app: Flask) -> None:
    """Undo sealing, as a backup from before it does."""
    with engine_of(app).begin() as connection:
        postgres = connection.dialect.name == "postgresql"
        for table in ("audit_leaves", "audit_checkpoints"):
            if postgres:
                connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
            else:
                connection.exec_driver_sql(f"DROP TRIGGER {table}_keep_delete")
            connection.exec_driver_sql(f"DELETE FROM {table}")
        connection.exec_driver_sql("DELETE FROM audit_tiles")
        empty = "''::bytea" if postgres else "x''"
        connection.exec_driver_sql(f"UPDATE audit_tree SET size = 0, hashes = {empty}")


def test_another_log_of_the_same_size_is_not_continued(app: Flask, registry: RegistryBuilder) -> None:
    registry.model("fraud").version()
    pin = seal_all(app)
    put_back(app)
    with engine_of(app).begin() as connection:
        connection.exec_driver_sql("INSERT INTO audit_pending (entry_id) SELECT id FROM audit_entries WHERE id > 1")
    registry.model("another").version()
    registry.model("history").version()
    seal_all(app, signer=None)

    with app.app_context(), pytest.raises(Forked, match="forked or changed"):
        sealed_log.seal_next(SIGNER, pin)


class SilentPin(MemoryPin):
    """A pin that cannot be read."""

    def read(self) -> Pinned | None:
        raise Unavailable("the store does not answer")


def test_entries_get_positions_while_the_pin_does_not_answer(app: Flask, registry: RegistryBuilder) -> None:
    registry.model("fraud").version()

    with pytest.raises(Unavailable):
        seal_all(app, SilentPin())

    with app.app_context(), reading() as session:
        assert session.scalars(sa.select(SignedCheckpoint)).all() == []
    assert require_whole(app).ids == entry_ids(app)


class AwayPin(MemoryPin):
    """A pin that cannot be written."""

    def write(self, note: bytes, *, replaces: Pinned | None) -> bool:
        raise Unavailable("the store does not answer")


def test_a_checkpoint_is_shown_only_once_it_is_pinned(app: Flask, registry: RegistryBuilder) -> None:
    registry.model("fraud").version()

    with pytest.raises(Unavailable):
        seal_all(app, AwayPin())
    hidden = require_whole(app)
    seal_all(app)

    assert hidden.ids == entry_ids(app)
    assert hidden.checkpoints == []
    assert len(require_whole(app).checkpoints) == 1


def test_an_entry_too_large_for_a_bundle_has_a_leaf_that_stands_for_it(app: Flask, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(params={f"p{number}": "x" * 200 for number in range(400)})

    seal_all(app)

    require_whole(app)


def test_more_than_a_batch_is_sealed_over_several_tiles(app: Flask, registry: RegistryBuilder) -> None:
    registry.model("fraud").version()
    append_copies(app, 5300)

    seal_all(app)

    assert require_whole(app).ids == entry_ids(app)


def test_a_signature_that_was_not_published_is_published_with_the_next(app: Flask, registry: RegistryBuilder) -> None:
    registry.model("fraud").version()
    with pytest.raises(Unavailable):
        seal_all(app, AwayPin())
    registry.model("churn").version()

    seal_all(app)

    with app.app_context(), transaction() as session:
        assert session.scalars(sa.select(SignedCheckpoint).where(SignedCheckpoint.published_at.is_(None))).all() == []
    assert len(require_whole(app).checkpoints) == 2


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_an_entry_that_was_deleted_before_it_was_sealed_stays_pending_and_stops_nothing(
    app: Flask, registry: RegistryBuilder
) -> None:
    registry.model("fraud").version()
    lost = max(entry_ids(app))
    with engine_of(app).begin() as connection:
        connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        connection.exec_driver_sql("DROP TRIGGER audit_entries_keep_delete")
        connection.exec_driver_sql("DELETE FROM audit_texts")
        connection.exec_driver_sql(f"DELETE FROM audit_entries WHERE id = {lost}")
    kept = entry_ids(app)

    seal_all(app)

    with app.app_context(), reading() as session:
        assert session.scalars(sa.select(PendingEntry.entry_id)).all() == [lost]
        assert session.scalars(sa.select(Tree.size)).one() == len(kept)
