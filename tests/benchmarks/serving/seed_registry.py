"""Fill our own schema by SQL alone, as the service would have written it over time.

History is real: each model's entries form a chain that ``registry audit verify --baseline`` covers and ``registry audit
verify`` then accepts. What is made up: the digests of runs and lineage say nothing, and every text is committed to with
the same salt.
"""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from registry.domain import audit, confusables
from tests.benchmarks.serving import catalogue
from tests.benchmarks.serving.catalogue import (
    ALIAS,
    DESCRIPTION,
    EACH,
    ENTRIES,
    HOT_NAME,
    MODEL_DESCRIPTION,
    REASON,
    Catalogue,
)
from tests.benchmarks.serving.database import Database, Loader
from tests.benchmarks.serving.seeding import filled, parts
from tests.support.processes import environment

BATCH = 10_000
SALT = b"benchmark's salt"
AROUND = ("helpers", "catalogue", "audit_entries", "sequences", "undo")


def fill(database: Database, wanted: Catalogue, *, actor: str, progress: Callable[[str], None]) -> None:
    """Fill an empty registry with the catalogue; *actor* is the account that did it all."""
    words = _words(wanted, actor)
    statements = parts("registry.sql")
    tables = [name for name in statements if name not in AROUND]
    with database.connection() as connection:
        connection.execute(filled(statements["helpers"], words).encode())
        _manifests(connection, wanted)
        connection.execute(filled(statements["catalogue"], words).encode())
        loader = Loader(database, ["audit_entries", "blobs", "uploads", *tables], progress)
        loader.run(dict(_history(statements["audit_entries"], wanted, words)))
        loader.run({table: filled(statements[table], words) for table in tables})
        _blobs(connection, wanted, actor)
        loader.finish()
        connection.execute(filled(statements["sequences"] + statements["undo"], words).encode())


def fill_by(checkout: Path, database: Database, wanted: Catalogue, *, actor: str) -> None:
    """Fill as :func:`fill`, by the code of another checkout: its schema may differ from ours."""
    program = (
        "import pathlib, sys, types\n"
        "from tests.benchmarks.serving import catalogue, database, seed_registry\n"
        "base, name, versions, actor = sys.argv[1:]\n"
        "server = types.SimpleNamespace(base=pathlib.Path(base))\n"
        "wanted = catalogue.Catalogue(int(versions))\n"
        "seed_registry.fill(database.Database(server, name), wanted, actor=actor, progress=lambda text: None)\n"
    )
    arguments = [str(database.server.base), database.name, str(wanted.versions), actor]
    settings = environment(PYTHONPATH=str(checkout))
    subprocess.run([sys.executable, "-c", program, *arguments], cwd=checkout, env=settings, check=True)


def _history(statement: str, wanted: Catalogue, words: dict[str, object]) -> Iterator[tuple[str, str]]:
    """One job for the hot model, whose entries come one after another, and one for each so many of the others."""
    if wanted.hot:
        span = {"low": wanted.models, "high": wanted.models + 1}
        yield "history of the hot model", filled(statement, words | span)
    for low in range(0, wanted.models, BATCH):
        span = {"low": low, "high": min(low + BATCH, wanted.models)}
        yield f"history of models {low:,} to {span['high']:,}", filled(statement, words | span)


def _words(wanted: Catalogue, actor: str) -> dict[str, object]:
    return {
        "actor": actor,
        "alias": ALIAS,
        "because": REASON,
        "reason": audit.commitment(SALT, REASON),
        "described": DESCRIPTION,
        "description": audit.commitment(SALT, DESCRIPTION),
        "about": audit.commitment(SALT, MODEL_DESCRIPTION),
        "model_described": MODEL_DESCRIPTION,
        "salt": f"\\x{SALT.hex()}",
        "inner": f"\\x{_padded(SALT, 0x36).hex()}",
        "outer": f"\\x{_padded(SALT, 0x5C).hex()}",
        "each": EACH,
        "entries": ENTRIES,
        "hot": wanted.hot,
        "hot_name": HOT_NAME,
        "models": wanted.models,
        "versions": wanted.models * EACH,
        "teams": wanted.teams,
        "size": catalogue.sealed(0).size,
        "configs": catalogue.CONFIGS,
        "config_size": catalogue.blob("config", 0).size,
        "weights_size": catalogue.blob("weights", 0).size,
    }


def _padded(key: bytes, pad: int) -> bytes:
    """Return a block of RFC 2104: with it SQL computes the HMAC-SHA256 of a commitment by two plain digests."""
    return bytes(byte ^ pad for byte in key.ljust(64, b"\0"))


def _name(ordinal: int, wanted: Catalogue) -> str:
    return HOT_NAME if ordinal == wanted.models else catalogue.name(ordinal)


def _manifests(connection: psycopg.Connection[tuple[Any, ...]], wanted: Catalogue) -> None:
    connection.execute("CREATE UNLOGGED TABLE bench_manifests (k int PRIMARY KEY, digest text, look text)")
    rows = (
        (ordinal, catalogue.sealed(ordinal).digest, confusables.look(_name(ordinal, wanted)))
        for ordinal in range(wanted.models + 1)
    )
    _copy(connection, "bench_manifests (k, digest, look)", rows)


def _blobs(connection: psycopg.Connection[tuple[Any, ...]], wanted: Catalogue, actor: str) -> None:
    """Rows only, with the uploads that brought them: no bytes are behind them."""
    kinds = [("config", catalogue.CONFIGS), ("weights", wanted.models + 1)]
    blobs = [catalogue.blob(kind, ordinal) for kind, count in kinds for ordinal in range(count)]
    keyed = [(blob, str(uuid.uuid5(uuid.NAMESPACE_OID, blob.sha256))) for blob in blobs]
    keys = [(blob, upload, f"blobs/{blob.sha256[:2]}/{blob.sha256}/{upload}") for blob, upload in keyed]
    at = datetime(2025, 1, 1, tzinfo=UTC)
    _copy(connection, "blobs (sha256, size, key, verified_at)", ((b.sha256, b.size, key, at) for b, _, key in keys))
    _copy(
        connection,
        "uploads (id, sha256, size, key, state, created_at, created_by, expires_at)",
        ((upload, b.sha256, b.size, key, "verified", at, actor, at) for b, upload, key in keys),
    )


def _copy(connection: psycopg.Connection[tuple[Any, ...]], into: str, rows: Iterable[tuple[object, ...]]) -> None:
    with connection.cursor() as cursor, cursor.copy(f"COPY {into} FROM STDIN".encode()) as copy:
        for row in rows:
            copy.write_row(row)
