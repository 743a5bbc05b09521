"""A restored backup is not sealed until an operator decides: ``registry audit new-epoch`` on the server's machine."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from registry.app import create_app
from registry.config import Settings
from registry.db.session import db
from registry.rules.audit_log.checkpoints import open_checkpoint
from registry.rules.audit_log.notes import VerifierKey
from tests.cli.conftest import CommandLine, Done, Place


def done(command: Done) -> Done:
    """Require that a command succeeded; its log and its notes are on stderr."""
    assert command.code == 0, command.err
    return command


def checkpoints(data: Path) -> list[tuple[str, int]]:
    with closing(sqlite3.connect(data / "registry.db")) as connection:
        return connection.execute("SELECT origin, size FROM audit_checkpoints ORDER BY signed_at").fetchall()


def readiness(data: Path) -> tuple[str, str]:
    """The state of the service, and what it says of the log."""
    app = create_app(Settings.load(data_dir=data))
    document = app.test_client().get("/readyz").get_json()
    with app.app_context():
        db.engine.dispose()
    return document["status"], document["checks"]["audit_log"]["detail"]


def test_a_restored_backup_is_not_sealed_until_an_epoch_begins(
    run_cli: CommandLine, place: Place, tmp_path: Path
) -> None:
    data = place.cwd / "data"

    def write_and_seal() -> None:
        done(run_cli("admin", "bootstrap", "--force", "--data-dir", "data"))
        done(run_cli("worker", "--once", "--data-dir", "data"))

    done(run_cli("db", "upgrade", "--data-dir", "data"))
    write_and_seal()
    shutil.copy(data / "registry.db", tmp_path / "backup.db")
    write_and_seal()
    well, pinned = readiness(data), (data / "artifacts" / "log-pin").read_bytes()
    for file in data.glob("registry.db-*"):
        file.unlink()
    shutil.copy(tmp_path / "backup.db", data / "registry.db")
    signed = checkpoints(data)
    refused = run_cli("worker", "--once", "--data-dir", "data")
    early = run_cli("audit", "new-epoch", "--reason", "too early", "--data-dir", "data")
    done(run_cli("admin", "new-epoch", "--yes", "--data-dir", "data"))
    done(run_cli("admin", "adopt-store", "--yes", "--data-dir", "data"))
    write_and_seal()

    state, detail = readiness(data)
    doctor = run_cli("doctor", "--json", "--data-dir", "data")
    assert (well[0], refused.code, early.code) == ("ready", 8, 8)
    assert "registry admin adopt-store" in early.err
    assert (state, checkpoints(data)) == ("degraded", signed)
    assert (data / "artifacts" / "log-pin").read_bytes() == pinned
    assert "older state" in detail
    assert "registry audit new-epoch" in detail
    assert doctor.code == 8
    assert json.loads(doctor.out)["audit_log"]["ok"] is False
    assert "registry audit new-epoch --reason" in json.loads(doctor.out)["audit_log"]["fix"]

    begun = done(run_cli("audit", "new-epoch", "--reason", "the disk was lost", "--data-dir", "data"))
    write_and_seal()

    key = VerifierKey.parse(begun.out.strip())
    checkpoint = open_checkpoint((data / "artifacts" / "log-pin").read_bytes(), [key])
    assert checkpoint.origin == key.name
    assert key.name.startswith(f"{signed[0][0]}/2-")
    assert readiness(data)[0] == "ready"
    assert done(run_cli("audit", "log-key", "--data-dir", "data")).out == begun.out
    assert "Everything agrees" in done(run_cli("audit", "verify", "--local", "--data-dir", "data")).out


def test_without_a_key_there_is_none_to_show_and_no_epoch(run_cli: CommandLine, place: Place) -> None:
    done(run_cli("db", "upgrade", "--data-dir", "data"))
    (place.cwd / "data" / "log-key").unlink()

    shown = run_cli("audit", "log-key", "--data-dir", "data")
    begun = run_cli("audit", "new-epoch", "--reason", "why", "--data-dir", "data")

    assert (shown.code, begun.code) == (1, 8)
    assert "REGISTRY_LOG_KEY" in shown.err
    assert "no log key" in begun.err
