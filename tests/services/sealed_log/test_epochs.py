"""Forks and epochs: what refuses to sign, and how the log goes on under another name."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask

from registry.db.models import AuditEntry, Tree
from registry.db.session import engine_of, reading
from registry.domain.errors import Conflict, ForeignStore, Unavailable
from registry.domain.ownership import Identity
from registry.domain.sealing import Forked, next_origin
from registry.rules.audit_log.checkpoints import Checkpoint, open_checkpoint, read_checkpoint
from registry.services import audit, sealed_log
from registry.services.monitoring import log_health
from registry.services.sealed_log.epochs import LogEpoch, verifier_keys
from registry.services.sealed_log.pins import Pinned, StorePin
from registry.services.sealed_log.signer import Signer
from registry.services.sealed_log.standing import LogStanding
from registry.storage.checked import Store
from registry.storage.local import LocalDriver
from tests.support.registry_builder import RegistryBuilder
from tests.support.sealing import SIGNER, MemoryPin, require_whole, seal_all

OLD_KEY, NEW_KEY = bytes(range(32)).hex(), bytes(range(1, 33)).hex()
OTHER = "33333333-3333-4333-8333-333333333333"
GARBAGE = Pinned(b"<html>Log in</html>", "1")


def begin_epoch(app: Flask, pin: MemoryPin, reason: str = "restored") -> LogEpoch:
    with app.app_context():
        return sealed_log.epochs.begin(reason, signer=SIGNER, pin=pin)


def standing(app: Flask, pin: MemoryPin) -> LogStanding:
    with app.app_context():
        return sealed_log.standing.examine(pin)


def origin(app: Flask) -> str:
    with app.app_context(), reading() as session:
        return session.scalars(sa.select(Tree.origin)).one()


def pinned(pin: MemoryPin) -> Checkpoint:
    assert pin.pinned is not None
    return read_checkpoint(pin.pinned.note)


@pytest.mark.parametrize(
    ("left", "reason"), [(None, "does not have the object log-pin"), (GARBAGE, "no checkpoint")], ids=["none", "page"]
)
def test_nothing_is_signed_where_the_pin_was_lost(
    app: Flask, registry: RegistryBuilder, left: Pinned | None, reason: str
) -> None:
    registry.model("fraud").version()
    seal_all(app)
    before = require_whole(app)
    registry.model("churn").version()

    with pytest.raises(Forked, match=reason):
        seal_all(app, MemoryPin(left))

    assert require_whole(app) == before
    assert reason in (standing(app, MemoryPin(left)).fork or "")


def test_an_epoch_goes_on_with_a_log_whose_pin_is_ahead(app: Flask, registry: RegistryBuilder) -> None:
    registry.model("fraud").version()
    pin = seal_all(app)
    first = pinned(pin)
    ahead = MemoryPin(Pinned(pin.pinned.note.replace(f"\n{first.size}\n".encode(), b"\n9999\n"), "1"))
    forked = standing(app, ahead)

    epoch = begin_epoch(app, ahead)
    registry.model("churn").version()
    seal_all(app, ahead)

    assert "older state" in (forked.fork or "")
    assert (epoch.before, epoch.size) == (first.origin, first.size)
    assert re.fullmatch(rf"{first.origin}/2-[0-9a-f]{{8}}", epoch.origin)
    assert open_checkpoint(ahead.pinned.note, epoch.keys).size == len(require_whole(app).ids)
    assert standing(app, ahead).fork is None
    assert {one.origin for one in require_whole(app).checkpoints} == {first.origin, epoch.origin}


def test_the_beginning_of_an_epoch_is_recorded_with_its_reason(app: Flask, registry: RegistryBuilder) -> None:
    registry.model("fraud").version()
    pin = seal_all(app)
    first = pinned(pin)

    epoch = begin_epoch(app, pin, "the disk of the database was lost")

    with app.app_context():
        (entry,) = audit.export(audit.Criteria(action="log.epoch_begun"))
        reports = list(audit.verify())
    assert entry.reason == "the disk of the database was lost"
    assert (entry.before, entry.after["origin"]) == ({"origin": first.origin}, epoch.origin)
    assert (entry.after["size"], entry.after["root"]) == (first.size, first.root.hex())
    assert [problem for report in reports for problem in report.problems] == []


def test_an_epoch_may_begin_in_a_backup_from_before_the_log_was_sealed(app: Flask, registry: RegistryBuilder) -> None:
    registry.model("fraud").version()
    pin = MemoryPin(GARBAGE)

    epoch = begin_epoch(app, pin)
    seal_all(app, pin)

    assert (epoch.size, standing(app, pin).fork) == (0, None)
    assert [one.size for one in require_whole(app).checkpoints] == [0, len(require_whole(app).ids)]
    with app.app_context():
        assert [problem for report in audit.verify() for problem in report.problems] == []


def test_a_name_that_no_entry_has_is_reported(app: Flask, registry: RegistryBuilder) -> None:
    registry.model("fraud").version()
    begin_epoch(app, seal_all(app))
    with engine_of(app).begin() as connection:
        connection.exec_driver_sql("UPDATE audit_tree SET origin = origin || '3'")

    with app.app_context():
        problems = [problem for report in audit.verify() for problem in report.problems]

    assert any("the name of the sealed log" in problem for problem in problems)


def test_an_epoch_has_a_name_that_the_lost_state_did_not_have(app: Flask, registry: RegistryBuilder) -> None:
    registry.model("fraud").version()
    pin = seal_all(app)
    name = pinned(pin).origin
    later = MemoryPin(Pinned(pin.pinned.note.replace(name.encode() + b"\n", f"{name}/7\n".encode(), 1), "1"))

    epoch = begin_epoch(app, later)

    assert epoch.origin.startswith(f"{name}/8-")
    assert pinned(later).origin == epoch.origin


@dataclass
class ContestedPin(MemoryPin):
    """A pin that another database replaces once before the first write."""

    rival: bytes = b""

    def write(self, note: bytes, *, replaces: Pinned | None) -> bool:
        if self.rival:
            self.pinned, self.rival = Pinned(self.rival, "99"), b""
        return super().write(note, replaces=replaces)


def test_of_two_databases_that_begin_an_epoch_each_gets_a_name_of_its_own(
    app: Flask, registry: RegistryBuilder
) -> None:
    registry.model("fraud").version()
    pin = seal_all(app)
    name = pinned(pin).origin
    rival = pin.pinned.note.replace(name.encode() + b"\n", f"{name}/2\n".encode(), 1)

    epoch = begin_epoch(app, ContestedPin(pin.pinned, rival=rival))

    assert epoch.origin == origin(app)
    assert epoch.origin.startswith(f"{name}/3-")
    assert {one.origin for one in require_whole(app).checkpoints} == {name, epoch.origin}


def test_an_epoch_can_begin_before_any_entry_is_sealed(app: Flask, registry: RegistryBuilder) -> None:
    """As after the restore of a backup of a release without a sealed log."""
    registry.model("fraud").version()
    pin = MemoryPin(GARBAGE)

    epoch = begin_epoch(app, pin)
    seal_all(app, pin)

    assert (epoch.size, epoch.origin[-11:-8]) == (0, "/2-")
    assert require_whole(app).checkpoints[-1].size == len(require_whole(app).ids)


def test_an_epoch_needs_a_key_and_a_log_that_was_signed(app: Flask, registry: RegistryBuilder) -> None:
    registry.model("fraud").version()

    with app.app_context(), pytest.raises(Conflict, match="ever signed"):
        sealed_log.epochs.begin("why", signer=SIGNER, pin=MemoryPin())
    with app.app_context(), pytest.raises(Unavailable, match="no log key"):
        sealed_log.epochs.begin("why", signer=None, pin=MemoryPin())

    with app.app_context(), reading() as session:
        actions = session.scalars(sa.select(AuditEntry.action)).all()
    assert "log.epoch_begun" not in actions
    assert origin(app) == ""


def test_the_public_keys_are_those_of_this_process_or_those_that_signed_last(
    app: Flask, registry: RegistryBuilder
) -> None:
    registry.model("fraud").version()

    with app.app_context():
        unsigned = verifier_keys(None)
    seal_all(app)
    with app.app_context():
        signed, own = verifier_keys(None), verifier_keys(SIGNER)

    assert unsigned == []
    assert signed == own == [key.verifier for key in SIGNER.keys(origin(app))]


def test_while_a_key_is_replaced_checkpoints_have_a_signature_of_each(app: Flask, registry: RegistryBuilder) -> None:
    both = Signer.of([NEW_KEY, OLD_KEY, OLD_KEY.upper()])
    registry.model("fraud").version()
    pin = seal_all(app, signer=Signer.of([OLD_KEY]))
    registry.model("churn").version()

    seal_all(app, pin, signer=both)

    assert both is not None
    assert [seed.hex() for seed in both.seeds] == [NEW_KEY, OLD_KEY]
    signed = [open_checkpoint(pin.pinned.note, [key.verifier]) for key in both.keys(pinned(pin).origin)]
    assert signed == [pinned(pin)] * 2
    assert NEW_KEY not in f"{both} {both!r}"


def test_without_its_store_nothing_is_signed_and_with_another_registrys_neither(
    app: Flask, registry: RegistryBuilder, tmp_path: Path
) -> None:
    store = Store(LocalDriver(tmp_path / "store", "a secret for tests only"))
    registry.model("fraud").version()

    with pytest.raises(Unavailable):
        seal_all(app, StorePin(store))
    (tmp_path / "store").mkdir()
    store.claim(Identity(OTHER, OTHER, None, datetime.now(UTC)).dump())
    with pytest.raises(ForeignStore):
        seal_all(app, StorePin(store))

    assert store.pin() is None
    assert require_whole(app).checkpoints == []


def test_epochs_are_numbered_after_all_that_are_known() -> None:
    assert next_origin("log", "log", mark="a") == "log/2-a"
    assert next_origin("log", "log/2-f", "log/11-0", "log", mark="a") == "log/12-a"
    assert next_origin("log", "another/7-a", "logs/9-a", mark="a") == "log/1-a"


NOW = datetime(2026, 11, 30, tzinfo=UTC)
LONG_AGO = NOW - timedelta(hours=1)
WELL = LogStanding("log", 7, 7, LONG_AGO, None, None)


@pytest.mark.parametrize(
    ("log", "state", "fix"),
    [
        (WELL, "ok", ""),
        (replace(WELL, fork="the log has 5 entries"), "wrong", "registry audit new-epoch --reason"),
        (replace(WELL, unsealed_since=LONG_AGO), "warning", "registry worker"),
        (replace(WELL, unsealed_since=NOW), "ok", ""),
        (replace(WELL, published=0, published_at=None, unpublished_since=NOW), "warning", "REGISTRY_LOG_KEY"),
        (replace(WELL, published=6, unpublished_since=LONG_AGO), "warning", "REGISTRY_LOG_KEY"),
        (replace(WELL, published=6, unpublished_since=NOW), "ok", ""),
        (LogStanding("", 0, 0, None, None, None), "ok", ""),
    ],
    ids=["well", "forked", "behind", "just_written", "never_signed", "not_signed", "just_sealed", "empty"],
)
def test_health_follows_from_the_standing(log: LogStanding, state: str, fix: str) -> None:
    check = log_health.judge(log, NOW)

    assert ("wrong" if not check.ok else "warning" if check.fix else "ok") == state
    assert fix in check.fix
