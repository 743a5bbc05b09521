"""Back up a registry, and restore it: the database first, then the objects that it refers to.

    python deploy/backup/backup.py take /backups
    python deploy/backup/backup.py restore /backups/20261121T231500Z

It reads the service's own settings (REGISTRY_*) and needs the server's packages, and for PostgreSQL pg_dump and
pg_restore of the server's version or newer. See README.md beside it.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sqlite3
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import copies
import databases
import seal
from seal import Refused
from sqlalchemy.exc import SQLAlchemyError

from registry.app import create_app
from registry.cli.main import run as registry
from registry.config import Secret, Settings, SettingsError
from registry.db import migrate, schema
from registry.db.session import db
from registry.domain import ownership as identities
from registry.domain.errors import ForeignStore, RegistryError
from registry.services.integrity import store_ownership
from registry.services.maintenance import restoration
from registry.storage.checked import Store
from registry.storage.factory import open_store

CHECKS = (["db", "check"], ["audit", "verify", "--local"], ["admin", "fsck"])
SAMPLE = 500


def main() -> int:
    parser = argparse.ArgumentParser(description="Back up a registry, and restore it.")
    commands = parser.add_subparsers(dest="command", required=True)
    take_parser = commands.add_parser("take", help="back up what REGISTRY_* names, below a directory")
    take_parser.add_argument("directory", type=Path)
    take_parser.add_argument("--keep", type=_count, metavar="N", help="delete older backups than the N newest")
    take_parser.add_argument("--deep", action="store_true", help="read every object and every copy again, not a sample")
    restore_parser = commands.add_parser("restore", help="restore into the empty database that REGISTRY_* names")
    restore_parser.add_argument("backup", type=Path)
    restore_parser.add_argument("--deep", action="store_true", help="also read and hash every object afterwards")
    restore_parser.add_argument("--keep-tokens", action="store_true", help="do not revoke the tokens in the backup")
    restore_parser.add_argument("--adopt-store", action="store_true", help="take over a store that is in use")
    restore_parser.add_argument("--without-mac", action="store_true", help="trust a backup that has no MAC")
    for command in (take_parser, restore_parser):
        command.add_argument("--key-file", type=Path, help="the key of the MAC, in place of REGISTRY_SECRET_KEY")
    given = parser.parse_args()
    try:
        settings = Settings.load(create=given.command == "restore")
        keys = seal.keys(settings, given.key_file)
        if given.command == "take":
            return take(settings, given.directory, key=keys[0], deep=given.deep, keep=given.keep)
        return restore(
            settings,
            seal.read(given.backup, [] if given.without_mac else keys),
            deep=given.deep,
            keep_tokens=given.keep_tokens,
            adopts=given.adopt_store,
        )
    except (Refused, SettingsError, RegistryError, OSError, SQLAlchemyError, sqlite3.Error) as error:
        return _fail(str(error))


def take(settings: Settings, directory: Path, *, key: bytes, deep: bool, keep: int | None) -> int:
    """Make ``directory/<time>`` with the database, and bring ``directory/objects`` up to date.

    Objects are never changed: what was added after the database was read does no harm, and what a backup before has
    copied is not copied again. The copies that were not read for longest, and their objects, are read again: SAMPLE of
    them, or all with *deep*. The backup counts once its ``backup.json`` is there, which is written last. Then backups
    that are older than the *keep* newest are deleted, but no objects.
    """
    began = datetime.now(UTC)
    url = settings.database_url.reveal()
    schema.require_working(url)
    store = open_store(settings)
    identity = _require_own(settings)
    place = directory / began.strftime("%Y%m%dT%H%M%SZ")
    place.mkdir(parents=True, mode=0o700)
    database = databases.dump(url, place)

    copier = copies.Copier(store, directory / "objects", report=_fail)
    copied = copier.copy_new()
    looked = copier.look_again(None if deep else SAMPLE)

    description = {
        "taken_at": began.isoformat(),
        "revision": schema.current(url),
        "registry": identity.registry,
        "epoch": identity.epoch,
        "database": database.name,
        "sha256": seal.sha256(database),
        "incoming": copier.incoming,
    }
    seal.write(place, description, key)
    print(f"{place}: the database at {description['revision']}, {copied} objects copied, {looked} read again")
    for old in _finished(directory)[:-keep] if keep else []:
        shutil.rmtree(old)
        print(f"{old}: deleted")
    return 1 if copier.problems else 0


def restore(settings: Settings, backup: seal.Backup, *, deep: bool, keep_tokens: bool, adopts: bool) -> int:
    """Fill an empty database and the store from *backup*, then look whether everything is there and unchanged.

    It may be killed at any moment and run again. The database counts once the epoch of the restore has begun.
    """
    url, digest = settings.database_url.reveal(), backup.digest
    if settings.uses_sqlite != (backup.database.suffix == ".sqlite3"):
        raise Refused(f"{backup.database} is of the other kind of database than REGISTRY_DATABASE_URL")
    is_done = databases.holds(url, digest)
    store = open_store(settings)
    _require_free(settings, store, is_done=is_done, adopts=adopts)
    if is_done:
        print("this backup was restored here before; now completing it", flush=True)
    else:
        databases.require_empty(url, digest)
        with databases.loading(url, backup.database, digest) as loaded:
            migrate.upgrade(loaded)
            written = copies.bring(backup.objects, backup.incoming, store, report=_fail)
            _begin_epoch(settings, loaded, keep_tokens=keep_tokens, digest=digest)
        print(f"restored the database at {backup.revision} and {written} objects; now checking them", flush=True)
    _own_store(settings, adopts=adopts)
    _offer_token(settings)
    checks = [[*check, *(["--deep"] if deep and "fsck" in check else [])] for check in CHECKS]
    failed = [check for check in checks if registry(check)]
    for check in failed:
        _fail(f"registry {' '.join(check)} found something, see above")
    return 1 if failed else 0


def _finished(directory: Path) -> list[Path]:
    """The backups below *directory* that were finished, the oldest first."""
    found = [place for place in directory.iterdir() if re.fullmatch(r"\d{8}T\d{6}Z", place.name)]
    return sorted(place for place in found if (place / "backup.json").is_file())


def _count(text: str) -> int:
    if (number := int(text)) < 1:
        raise ValueError(text)
    return number


def _require_own(settings: Settings) -> identities.Identity:
    """The identity of the registry. Raises Refused unless the store is its own: the objects would be another's."""
    app = create_app(settings)
    with app.app_context():
        try:
            finding = store_ownership.examine(app.extensions["model-registry"].store)
        finally:
            db.engine.dispose()
    if finding.state is store_ownership.OwnershipState.FOREIGN:
        raise Refused(f"{finding.detail}. {store_ownership.FIX}")
    return finding.own


def _require_free(settings: Settings, store: Store, *, is_done: bool, adopts: bool) -> None:
    """Raise Refused when another registry, or the lost state of this one, may use the store."""
    if adopts or (content := store.identity()) is None:
        return
    if is_done:
        _require_own(settings)
        return
    try:
        owner = identities.parse(content).registry
    except ValueError:
        owner = "an identity that cannot be read"
    raise Refused(
        f"the store is in use ({owner}): restore into an empty one; or give --adopt-store, and the registry that uses "
        "it is refused from then on"
    )


def _begin_epoch(settings: Settings, url: str, *, keep_tokens: bool, digest: str) -> None:
    app = create_app(replace(settings, database_url=Secret(url)))
    with app.app_context():
        try:
            epoch = restoration.begin_epoch(keep_tokens=keep_tokens, backup=digest)
        finally:
            db.engine.dispose()
    print(f"epoch {epoch.id}: models renumbered: {epoch.models}, tokens revoked: {epoch.tokens}", flush=True)


def _own_store(settings: Settings, *, adopts: bool) -> None:
    """Let the store carry the identity of the restored registry. Raises Refused."""
    app = create_app(settings)
    store = app.extensions["model-registry"].store
    with app.app_context():
        try:
            store_ownership.confirm(store)
        except ForeignStore as error:
            if not adopts:
                raise Refused(error.detail) from error
            store_ownership.adopt(store, dry_run=False)
        finally:
            db.engine.dispose()


def _offer_token(settings: Settings) -> None:
    """Show a bootstrap token where no token is valid."""
    app = create_app(settings)
    with app.app_context():
        try:
            needed = not restoration.has_tokens()
        finally:
            db.engine.dispose()
    if needed:
        registry(["admin", "bootstrap", "--force"])


def _fail(text: str) -> int:
    print(f"backup.py: {text}", file=sys.stderr, flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
