"""Backups of buckets, damaged copies, and restores that are killed."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import uuid
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from registry.db import schema
from tests.deploy.test_backup import Place, backup_of, fleet, register, scratch, source, take
from tests.support.crashes import Crash
from tests.support.databases import Database
from tests.support.s3_server import S3Server
from tests.support.servers import Fleet

__all__ = ["fleet", "scratch", "source"]  # fixtures

SAMPLE = 500  # of backup.py


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_registry_moves_into_a_bucket_and_is_backed_up_there(
    fleet: Fleet, source: Place, scratch: Place, swift_s3: S3Server, tmp_path: Path
) -> None:
    with fleet.caller() as caller:
        caller.registry.create_model("fraud")
        register(caller, "fraud")
    bucket = swift_s3.new_bucket()
    place = {
        "STORAGE_URL": f"s3://{bucket}/models",
        "S3_ENDPOINT_URL": swift_s3.endpoint_url,
        "S3_REGION": swift_s3.region,
    }
    settings = {**{f"REGISTRY_{name}": value for name, value in place.items()}, **swift_s3.environment}
    target = replace(scratch, bucket=settings)

    restored = target.run(
        "restore", backup_of(source.run("take", tmp_path / "backups"), tmp_path / "backups"), "--deep"
    )
    taken = target.run("take", tmp_path / "second")

    assert restored.returncode == 0, restored.stdout + restored.stderr
    assert taken.stdout.endswith(", 1 objects copied, 0 read again\n"), taken.stderr
    with swift_s3.client() as client:
        listed = client.list_objects_v2(Bucket=bucket)["Contents"]
    assert sorted(item["Key"].split("/")[1] for item in listed) == ["blobs", "registry-id"]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_damaged_objects_and_copies_are_reported_until_they_are_whole(
    fleet: Fleet, source: Place, tmp_path: Path
) -> None:
    with fleet.caller() as caller:
        caller.registry.create_model("fraud")
        register(caller, "fraud")
    folder = tmp_path / "backups"
    backup_of(take(source, folder), folder)
    (stored,) = fleet.objects()
    (copy,) = [path for path in (folder / "objects").rglob("*") if path.is_file()]
    content = stored.read_bytes()

    stored.write_bytes(bytes(64))
    rotten = take(source, folder)
    stored.write_bytes(content)
    copy.write_bytes(bytes(64))
    copied_again, clean = take(source, folder), take(source, folder, "--deep")

    others = []
    for number in range(SAMPLE):
        digest = hashlib.sha256(str(number).encode()).hexdigest()
        other = folder / "objects" / "blobs" / digest[:2] / digest / str(uuid.uuid4())
        other.parent.mkdir(parents=True)
        other.write_text(str(number))
        others.append(other)
    stored.write_bytes(bytes(64))

    def take_after_others(*options: str) -> subprocess.CompletedProcess[str]:
        """A backup while the copies of all other objects were not read for longer."""
        for other in others:
            os.utime(other, (1, 1))
        return take(source, folder, *options)

    sampled, deep = take_after_others(), take_after_others("--deep")

    assert (rotten.returncode, "does not have its digest in the store" in rotten.stderr) == (1, True)
    assert (sampled.returncode, f" {SAMPLE} read again" in sampled.stdout) == (0, True)
    assert (deep.returncode, "does not have its digest in the store" in deep.stderr) == (1, True)
    assert (copied_again.returncode, "the copy of blobs/" in copied_again.stderr) == (1, True)
    assert (clean.returncode, clean.stderr, copy.read_bytes()) == (0, "", content)


KILLS = {
    "an object is written": Crash("os.link", "blobs/"),
    "the epoch begins": Crash("sql", "UPDATE registry SET"),
    "the epoch is committed": Crash("sql", "UPDATE blobs SET checked_at"),
    "the database counts": Crash("sql", "DROP TABLE unfinished_restore"),
    "the store is claimed": Crash("os.link", "registry-id"),
}


@pytest.mark.parametrize("database", ["postgresql", "sqlite"], indirect=True)
@pytest.mark.parametrize("moment", KILLS)
@pytest.mark.share(8)
def test_a_restore_that_was_killed_is_run_again(
    fleet: Fleet, source: Place, scratch: Place, database: Database, tmp_path: Path, moment: str
) -> None:
    crash = KILLS[moment]
    if database.kind == "sqlite" and moment == "the database counts":
        crash = Crash("os.rename", "registry.db.restoring")
    with fleet.caller() as caller:
        caller.registry.create_model("fraud")
        register(caller, "fraud")
    backup = backup_of(source.run("take", tmp_path / "backups"), tmp_path / "backups")

    killed = scratch.run("restore", backup, crash=crash)
    between = problem_of(scratch)
    again = scratch.run("restore", backup, "--deep")

    assert killed.returncode == -signal.SIGKILL, killed.stderr
    if moment != "the store is claimed":
        assert "a restore into this database has not finished" in between or between == "there is no database"
    assert again.returncode == 0, again.stdout + again.stderr
    with sa.create_engine(scratch.database_url, poolclass=sa.NullPool).connect() as connection:
        actions = connection.exec_driver_sql("SELECT action FROM audit_entries").scalars().all()
        assert connection.exec_driver_sql("SELECT next_number FROM models").scalars().all() == [1002]
    assert actions.count("registry.restored") == 1


def problem_of(place: Place) -> str:
    """What keeps a service from starting over the place's database."""
    if place.database_url.startswith("sqlite") and not Path(place.database_url.removeprefix("sqlite:///")).exists():
        return "there is no database"
    with schema.connected(place.database_url) as connection:
        return schema.mismatch(connection) or ""
