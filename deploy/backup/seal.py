"""The description of a backup, and the MAC that proves who wrote it."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from registry.config import Settings

FILE = "backup.json"
KEY_LENGTH = 32


class Refused(Exception):
    """What cannot be done, and why."""


@dataclass(frozen=True)
class Backup:
    """A backup that was proved: its database is the one that was dumped. *incoming* maps keys to digests."""

    database: Path
    digest: str
    revision: str
    objects: Path
    incoming: Mapping[str, str]


def keys(settings: Settings, path: Path | None) -> list[bytes]:
    """Return the keys of the MAC, the first of which signs: derived from the service's secrets, or from the file at
    *path*. Raises Refused."""
    secrets = [secret.encode() for secret in settings.secret_keys]
    if path is not None:
        secrets = [path.read_bytes().strip()]
        if len(secrets[0]) < KEY_LENGTH:
            raise Refused(f"the key in {path} has fewer than {KEY_LENGTH} bytes")
    return [hmac.new(secret, b"backup", hashlib.sha256).digest() for secret in secrets]


def write(place: Path, description: Mapping[str, Any], key: bytes) -> None:
    """Write the description last: it makes a directory a backup."""
    document = {**description, "mac": _mac(description, key)}
    write_durably(place / FILE, [json.dumps(document, indent=2).encode() + b"\n"])


def read(backup: Path, keys: Sequence[bytes]) -> Backup:
    """Return the backup in a directory, once one of *keys* proves it; without any, only that the dump is what it says.

    Raises Refused.
    """
    try:
        description: dict[str, Any] = json.loads((backup / FILE).read_text())
    except FileNotFoundError as error:
        raise Refused(f"{backup} is no backup, or one that was not finished: it has no {FILE}") from error
    except ValueError as error:
        raise Refused(f"{backup / FILE} cannot be read: {error}") from error
    mac = description.pop("mac", None) if isinstance(description, dict) else None
    if keys and mac is None:
        raise Refused(f"{backup / FILE} has no MAC: nothing proves who wrote it (--without-mac trusts it all the same)")
    if keys and not any(hmac.compare_digest(str(mac), _mac(description, key)) for key in keys):
        raise Refused(
            f"{backup / FILE} was changed, or was written with another key: give the REGISTRY_SECRET_KEY (also as "
            "REGISTRY_SECRET_KEY_PREVIOUS) or --key-file with which it was taken"
        )
    database = backup / Path(str(description["database"])).name
    if sha256(database) != description["sha256"]:
        raise Refused(f"{database} is not what was backed up: its digest differs")
    return Backup(
        database, description["sha256"], description["revision"], backup.parent / "objects",
        description.get("incoming", {}),
    )  # fmt: skip


def sha256(path: Path) -> str:
    """Return the digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_durably(target: Path, chunks: Iterable[bytes]) -> None:
    """Write a file that appears when it is whole and on the disk."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    partial = target.with_name(f"{target.name}.partial")
    with partial.open("wb") as file:
        for chunk in chunks:
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(target)


def _mac(description: Mapping[str, Any], key: bytes) -> str:
    document = json.dumps(description, sort_keys=True, separators=(",", ":")).encode()
    return hmac.new(key, document, hashlib.sha256).hexdigest()
