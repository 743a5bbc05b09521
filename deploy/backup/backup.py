"""Back up a registry, and restore it: the database first, then the objects that it refers to.

    python deploy/backup/backup.py take /backups
    python deploy/backup/backup.py restore /backups/20261121T231500Z

It reads the service's own settings (REGISTRY_*) and needs the server's packages, and for PostgreSQL pg_dump and
pg_restore of the server's version or newer. See README.md beside it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import create_engine, inspect, make_url, pool
from sqlalchemy.exc import SQLAlchemyError

from registry.cli.main import run as registry
from registry.config import Settings, SettingsError
from registry.db import migrate, schema
from registry.domain.errors import BlobsMissing, RegistryError
from registry.storage import keys
from registry.storage.checked import Store
from registry.storage.factory import open_store

CHUNK = 1024 * 1024
CHECKS = (["db", "check"], ["audit", "verify"], ["admin", "fsck"])


class Refused(Exception):
    """What cannot be done, for whoever called."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Back up a registry, and restore it.")
    commands = parser.add_subparsers(dest="command", required=True)
    take_parser = commands.add_parser("take", help="back up what REGISTRY_* names, below a directory")
    take_parser.add_argument("directory", type=Path)
    restore_parser = commands.add_parser("restore", help="restore into the empty database that REGISTRY_* names")
    restore_parser.add_argument("backup", type=Path)
    restore_parser.add_argument("--deep", action="store_true", help="also read and hash every object afterwards")
    given = parser.parse_args()
    try:
        settings = Settings.load()
        if given.command == "take":
            return take(settings, given.directory)
        return restore(settings, given.backup, deep=given.deep)
    except (Refused, SettingsError, RegistryError, OSError, SQLAlchemyError, sqlite3.Error) as error:
        return _fail(str(error))


def take(settings: Settings, directory: Path) -> int:
    """Make ``directory/<time>`` with the database, and bring ``directory/objects`` up to date.

    Objects are never changed: what was added after the database was read does no harm, and what a backup before has
    copied is not copied again. The backup counts once its ``backup.json`` is there, which is written last.
    """
    began = datetime.now(UTC)
    revision = schema.current(settings.database_url.reveal())
    place = directory / began.strftime("%Y%m%dT%H%M%SZ")
    place.mkdir(parents=True, mode=0o700)
    database = place / ("database.sqlite3" if settings.uses_sqlite else "database.dump")
    dump = _dump_sqlite if settings.uses_sqlite else _dump_postgres
    dump(settings.database_url.reveal(), database)

    copied, problems = 0, 0
    store = open_store(settings)
    for found in store.objects():
        target = directory / "objects" / found.key
        if target.exists() and target.stat().st_size == found.size:
            continue
        try:
            is_whole = _copy_in(store, found.key, target)
        except BlobsMissing:
            continue  # collected meanwhile: nothing has referred to it for as long as the grace period
        copied += 1
        if not is_whole:
            problems += 1
            _fail(f"{found.key} does not have its digest in the store: a copy was kept, look at registry admin fsck")

    description = {
        "taken_at": began.isoformat(),
        "revision": revision,
        "database": database.name,
        "sha256": _sha256(database),
    }
    _write_durably(place / "backup.json", [json.dumps(description, indent=2).encode() + b"\n"])
    print(f"{place}: the database at {revision}, {copied} objects copied")
    return 1 if problems else 0


def restore(settings: Settings, backup: Path, *, deep: bool) -> int:
    """Fill an empty database and the store from *backup*, then look whether everything is there and unchanged."""
    description = _read_description(backup)
    database = backup / description["database"]
    if _sha256(database) != description["sha256"]:
        raise Refused(f"{database} is not what was backed up: its digest differs")
    if settings.uses_sqlite != (database.suffix == ".sqlite3"):
        raise Refused(f"{database} is of the other kind of database than REGISTRY_DATABASE_URL")
    url = settings.database_url.reveal()
    _require_empty(url)
    load = _load_sqlite if settings.uses_sqlite else _load_postgres
    load(url, database)
    migrate.upgrade(url)  # new audit entries follow the restored ones, also in a younger PostgreSQL

    store, written = open_store(settings), 0
    objects = backup.parent / "objects"
    for source in sorted(path for path in objects.rglob("*") if path.is_file() and not path.name.endswith(".partial")):
        written += _copy_out(source, store, source.relative_to(objects).as_posix())
    print(f"restored the database at {description['revision']} and {written} objects; now looking at them", flush=True)
    checks = [[*check, *(["--deep"] if deep and "fsck" in check else [])] for check in CHECKS]
    failed = [check for check in checks if registry(check)]
    for check in failed:
        _fail(f"registry {' '.join(check)} found something, see above")
    return 1 if failed else 0


def _dump_sqlite(url: str, target: Path) -> None:
    """SQLite's own copy of a database that is written to meanwhile."""
    with (
        closing(sqlite3.connect(f"file:{_path(url)}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(target)) as copy,
    ):
        source.backup(copy)


def _dump_postgres(url: str, target: Path) -> None:
    _run_postgres("pg_dump", url, "--format=custom", "--no-owner", "--no-privileges", f"--file={target}")


def _load_sqlite(url: str, source: Path) -> None:
    target = _path(url)
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    shutil.copyfile(source, target)


def _load_postgres(url: str, source: Path) -> None:
    options = ["--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error"]
    _run_postgres("pg_restore", url, *options, str(source))


def _run_postgres(program: str, url: str, *arguments: str) -> None:
    """The password goes in as a variable: arguments are for everybody on the machine to see."""
    parsed = make_url(url)
    address = parsed.set(drivername="postgresql", password=None).render_as_string(hide_password=False)
    # The password of a URL is of a type of its own, with the text inside.
    environment = {**os.environ, **({"PGPASSWORD": str(parsed.password)} if parsed.password else {})}
    try:
        done = subprocess.run([program, f"--dbname={address}", *arguments], env=environment)
    except FileNotFoundError as error:
        raise Refused(f"{program} is not installed: it comes with PostgreSQL's client programs") from error
    if done.returncode:
        raise Refused(f"{program} failed, see above")


def _require_empty(url: str) -> None:
    if make_url(url).get_backend_name() == "sqlite":
        if _path(url).exists():
            raise Refused(f"{_path(url)} exists: a backup is restored where no database is")
        return
    engine = create_engine(url, poolclass=pool.NullPool)
    with engine.connect() as connection:
        if inspect(connection).get_table_names():
            raise Refused("the database has tables: a backup is restored into an empty one")


def _copy_in(store: Store, key: str, target: Path) -> bool:
    """Copy an object out of the store; whether it has the digest that its key says."""
    digest = hashlib.sha256()

    def told() -> Iterator[bytes]:
        for chunk in store.read(key):
            digest.update(chunk)
            yield chunk

    _write_durably(target, told())
    return keys.is_incoming(key) or digest.hexdigest() == keys.digest_of(key)


def _copy_out(source: Path, store: Store, key: str) -> int:
    """Copy an object into the store unless it is there; how many were written."""
    size, there = source.stat().st_size, store.stat(key)
    if there is not None and there.size == size:
        return 0
    # Of what nobody had hashed yet the key has no digest, which the store would compare.
    writer = store.driver if keys.is_incoming(key) else store
    try:
        writer.write(key, _chunks(source), size=size)
    except RegistryError as error:
        _fail(f"{source}: {error}")
        return 0
    return 1


def _read_description(backup: Path) -> dict[str, str]:
    try:
        found: dict[str, str] = json.loads((backup / "backup.json").read_text())
    except FileNotFoundError as error:
        raise Refused(f"{backup} is no backup, or one that was not finished: it has no backup.json") from error
    return found


def _write_durably(target: Path, chunks: Iterable[bytes]) -> None:
    """A file appears when it is whole and on the disk."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    partial = target.with_name(f"{target.name}.partial")
    with partial.open("wb") as file:
        for chunk in chunks:
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(target)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def _path(url: str) -> Path:
    return Path(make_url(url).database or "")


def _fail(text: str) -> int:
    print(f"backup.py: {text}", file=sys.stderr, flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
