"""Fill our own schema by SQL alone, as the service would have written it over time.

History is real: each model's entries form a chain that ``registry audit verify`` accepts. What is made up: the digests
of runs and lineage say nothing, and every reason is committed to with the same salt.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import psycopg

from registry.domain import audit
from tests.benchmarks.serving import catalogue
from tests.benchmarks.serving.catalogue import ALIAS, DESCRIPTION, EACH, ENTRIES, HOT_NAME, REASON, Catalogue
from tests.benchmarks.serving.database import loading
from tests.benchmarks.serving.seeding import parts, run

BATCH = 20_000
SALT = b"benchmark's salt"
AROUND = ("helpers", "catalogue", "audit_entries", "sequences", "undo")


def fill(
    connection: psycopg.Connection[tuple[Any, ...]], wanted: Catalogue, *, actor: str, progress: Callable[[str], None]
) -> None:
    """Fill an empty registry with the catalogue; *actor* is the account that did it all."""
    words, statements = _words(wanted, actor), parts("registry.sql")
    tables = [name for name in statements if name not in AROUND]
    run(connection, statements["helpers"], words)
    _manifests(connection)
    run(connection, statements["catalogue"], words)
    with loading(connection, ["audit_entries", "blobs", *tables]):
        _blobs(connection)
        for low in range(0, wanted.models, BATCH):
            progress(f"audit entries of models {low:,} and on")
            run(connection, statements["audit_entries"], words | {"low": low, "high": min(low + BATCH, wanted.models)})
        if wanted.hot:
            progress("audit entries of the hot model")
            run(connection, statements["audit_entries"], words | {"low": wanted.models, "high": wanted.models + 1})
        for table in tables:
            progress(table)
            run(connection, statements[table], words)
        progress("indexes and statistics")
    run(connection, statements["sequences"], words)
    run(connection, statements["undo"], words)


def _words(wanted: Catalogue, actor: str) -> dict[str, object]:
    return {
        "actor": actor,
        "alias": ALIAS,
        "because": REASON,
        "reason": audit.commitment(SALT, REASON),
        "described": DESCRIPTION,
        "description": audit.commitment(SALT, DESCRIPTION),
        "salt": f"\\x{SALT.hex()}",
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
        "weights": catalogue.WEIGHTS,
        "weights_size": catalogue.blob("weights", 0).size,
    }


def _manifests(connection: psycopg.Connection[tuple[Any, ...]]) -> None:
    connection.execute("CREATE UNLOGGED TABLE bench_manifests (k int PRIMARY KEY, digest text)")
    rows = [(ordinal, catalogue.sealed(ordinal).digest) for ordinal in range(catalogue.WEIGHTS)]
    with connection.cursor() as cursor:
        cursor.executemany("INSERT INTO bench_manifests VALUES (%s, %s)", rows)


def _blobs(connection: psycopg.Connection[tuple[Any, ...]]) -> None:
    """Rows only: no bytes are behind them."""
    kinds = [("config", catalogue.CONFIGS), ("weights", catalogue.WEIGHTS)]
    blobs = [catalogue.blob(kind, ordinal) for kind, count in kinds for ordinal in range(count)]
    rows = [(blob.sha256, blob.size, f"blobs/{blob.sha256[:2]}/{blob.sha256}/{_upload(blob.sha256)}") for blob in blobs]
    with connection.cursor() as cursor:
        cursor.executemany("INSERT INTO blobs (sha256, size, key, verified_at) VALUES (%s, %s, %s, now())", rows)


def _upload(sha256: str) -> str:
    return hashlib.md5(sha256.encode(), usedforsecurity=False).hexdigest()
