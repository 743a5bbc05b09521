"""Diagnosis of the database and of the background work, for operators."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.orm import Session

from registry.db import schema, times
from registry.db.replica import Replica
from registry.db.replica_reads import current_replica
from registry.db.session import db, reading
from registry.domain import clock
from registry.domain.errors import Unavailable
from registry.services import leases
from registry.services.accounts import confusable_names
from registry.services.catalog import alias_protection
from registry.services.imports import run_refreshes
from registry.services.imports.upstream import Upstream
from registry.services.integrity import store_ownership
from registry.services.maintenance import heartbeats, secret_keys
from registry.services.maintenance.heartbeats import WorkerRecord
from registry.services.monitoring import gauges, health
from registry.services.monitoring.checks import Check
from registry.services.sealed_log.pins import Pin
from registry.storage.checked import Store

OLDEST_POSTGRES = 13
SKEW = timedelta(seconds=5)
SHOWN = 5  # of what may be many
OVERFLOW = 5  # connections beyond its pool that each process may open
NETWORKED = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "glusterfs", "lustre", "afs", "fuse.sshfs",
                       "fuse.glusterfs", "fuse.s3fs", "virtiofs"})  # fmt: skip
WANTED = {  # what a PostgreSQL that loses nothing has set, and what else would mean
    "fsync": ("on", "a crash of the machine can destroy the database", "set fsync = on"),
    "full_page_writes": ("on", "a crash of the machine can destroy the database", "set full_page_writes = on"),
    "synchronous_commit": ("on", "a crash loses writes that were answered", "set synchronous_commit = on"),
    "server_encoding": ("UTF8", "names that are not its own are refused", "create the database WITH ENCODING 'UTF8'"),
    "default_transaction_read_only": ("off", "nothing can be written", "point REGISTRY_DATABASE_URL at the primary"),
}


LEAST_FREE_MIB = 256  # on SQLite's disk, below which doctor warns
DURABILITY = frozenset({"fsync", "full_page_writes", "synchronous_commit"})  # an operator may have set it on purpose
FIXES = {  # for settings whose check has no advice
    "database": "Look at the database's server, at the network between, and at REGISTRY_DATABASE_URL.",
    "migrations": "Run registry db upgrade, with the release that is to serve.",
    "storage": "Look at REGISTRY_STORAGE_URL and REGISTRY_S3_ENDPOINT_URL, at the store's server, and at the "
    "credentials for it.",
    "secret_key": f"{secret_keys.FIX}.",
    "identity": f"{store_ownership.FIX}.",
    "verification": "Run registry worker, or more of them.",
    "versions": "Run registry worker, or more of them.",
    "jobs": "registry admin jobs shows the reason; registry admin retry lets workers take one up again.",
    "bytes": "Send the files again (registry register with the same files), or restore the store from a backup. Files "
    "that are back are found whole by a worker within a minute, or at once by registry admin fsck --mark.",
}
REPLICA_FIX = (
    "Look at the replica's server, at the network between it and the primary, and at REGISTRY_DATABASE_REPLICA_URL "
    "(deploy/docs/postgresql.md)."
)
TRACKING = (
    "Look at REGISTRY_MLFLOW_TRACKING, at that server, and at the credentials for it. The line tracking.failed of the"
    " log says why; for a private CA let REQUESTS_CA_BUNDLE name its certificate."
)


def examine(
    store: Store,
    pin: Pin,
    upstreams: Sequence[Upstream],
    *,
    pool_size: int,
    processes: int,
    path: Path | None,
    own: str,
    protected: Collection[str],
    seconds: float,
) -> dict[str, Check]:
    """Run all checks; *path* is SQLite's file, *own* is how background work is started here.

    *protected* are the aliases that the settings protect in every model. Database, store and replica are each awaited
    for *seconds*.
    """
    checks = health.examination(store, pin, upstreams, seconds=seconds)
    if checks["database"].ok:
        checks |= engine(pool_size=pool_size, processes=processes, path=path)
    elif reason := unreachable():
        checks["database"] = replace(checks["database"], detail=reason)
    if (replica := current_replica()) is not None:
        checks["replica"] = read_replica(replica, seconds=seconds)
    if checks["migrations"].ok:
        checks |= {
            "workers": workers(own=own),
            "times": entry_times(),
            "aliases": protected_aliases(protected),
            "names": alike_names(),
            "runs": unfinished_runs(),
        }
        if checks["secret_key"].ok:
            checks["secret_key"] = older_tokens()
    return advised(checks)


def advised(checks: Mapping[str, Check]) -> dict[str, Check]:
    """Return the checks, each one that has failed with what to do."""
    return {
        name: check if check.ok or check.fix else replace(check, fix=FIXES.get(name, TRACKING))
        for name, check in checks.items()
    }


def unreachable() -> str | None:
    """Return why no connection to the database can be opened, which responses do not contain."""
    try:
        with schema.connected(db.engine.url.render_as_string(hide_password=False)):
            return None
    except Unavailable as error:
        return error.detail


def engine(*, pool_size: int, processes: int, path: Path | None) -> dict[str, Check]:
    """Look at the database's own settings; *path* is SQLite's file. Raises Unavailable."""
    with reading() as session:
        if session.get_bind().dialect.name == "sqlite":
            return {"engine": _sqlite(session, path)}
        return {
            "engine": _postgres(session),
            "connections": _connections(session, pool_size=pool_size, processes=processes),
            "clock": judge_clock(clock.now(), leases.now(session)),
        }


def read_replica(replica: Replica, *, seconds: float) -> Check:
    """Return a warning where reads do not go to the replica: then they go to the primary."""
    replica.examine_until_used(seconds)
    if (problem := replica.problem) is None:
        return Check(True, health.USED)
    return Check(True, f"reads go to the primary only: {problem}", REPLICA_FIX)


def workers(*, own: str) -> Check:
    """Check that a worker does the background work; *own* is the command that starts one. Raises Unavailable."""
    with reading() as session:
        known = heartbeats.workers(session)
    return judge_workers(known, own)


def judge_workers(known: Sequence[WorkerRecord], own: str) -> Check:
    """Return the check that follows from the heartbeats of the last day."""
    alive = [worker for worker in known if worker.alive]
    if not alive:
        return Check(False, f"no worker lives{_last(known)}", f"Start one: {own}")
    failing = sorted({f"{work} on {worker.host}" for worker in alive for work in worker.failing})
    summary = ", ".join(f"{worker.host} (process {worker.pid}, release {worker.release})" for worker in alive)
    if failing:
        return Check(
            False, f"workers fail at {', '.join(failing)}", "Read their log: lines with that work have the reason."
        )
    return Check(True, summary)


def _last(known: Sequence[WorkerRecord]) -> str:
    if not known:
        return ", and none did in the last day"
    return f"; the latest, on {known[0].host}, gave its last sign {known[0].silent.total_seconds():.0f} s ago"


def older_tokens() -> Check:
    """Return a warning while valid tokens need a previous secret key. Raises Unavailable."""
    detail, fix = secret_keys.described(secret_keys.older_tokens())
    return Check(True, detail or "the key is this database's, and every valid token was issued with it", fix)


def entry_times() -> Check:
    """Return whether the audit log's latest times are plausible by the database's clock. Raises Unavailable."""
    with reading() as session:
        ahead = gauges.clock_ahead_seconds(session, leases.now(session))
    if ahead > times.TOLERANCE.total_seconds():
        return Check(
            False,
            f"the audit log has an entry that is dated {ahead:.0f} s ahead of the database's clock",
            "Set the clock by NTP; if it is right now, run registry admin accept-clock --reason TEXT.",
        )
    return Check(True, "no entry is dated ahead of the database's clock")


def protected_aliases(protected: Collection[str]) -> Check:
    """Return a warning where a protected alias points at a version that is not ready. Raises Unavailable."""
    with reading() as session:
        unready = alias_protection.unready(session, protected=protected)
    if not unready:
        return Check(True, "every protected alias points at a ready version")
    return Check(
        True,
        f"protected aliases point at versions that are not ready: {_some(unready)}",
        "Point each at a ready version (registry alias set), or delete it; both need the role promoter.",
    )


def alike_names() -> Check:
    """Return a warning where names look like each other: an earlier release let them. Raises Unavailable."""
    models, users = confusable_names.clashing_models(), confusable_names.clashing_accounts()
    kinds = [f"{kind}: {_some(alike)}" for kind, alike in (("models", models), ("accounts", users)) if alike]
    if not kinds:
        return Check(True, "no models or accounts have names that look alike")
    return Check(
        True,
        f"names look alike: {'; '.join(kinds)}",
        "Find out whose each is. Rename such a model with a client of MLflow, or delete it (registry model delete). "
        "Revoke such an account's tokens and erase its name (registry admin forget-person). Known ones may stay.",
    )


def unfinished_runs() -> Check:
    """Return a warning where the end of a run was not seen lately. Raises Unavailable."""
    abandoned = run_refreshes.abandoned_lately()
    if not abandoned:
        return Check(True, "no version was left without the end of its run in the last 30 days")
    return Check(
        True,
        f"the end of these versions' runs was not seen in the last 30 days: {_some(abandoned)}",
        "registry admin jobs --abandoned shows the reason; registry admin retry lets workers read them again. What a "
        "run logged since can also be added by hand (registry version measure).",
    )


def _some(items: Sequence[str]) -> str:
    more = f" and {len(items) - SHOWN} more" if len(items) > SHOWN else ""
    return ", ".join(items[:SHOWN]) + more


def judge_clock(host: datetime, database: datetime) -> Check:
    """Return whether the clocks of this host and of the database agree well enough for leases and tokens."""
    ahead = (host - database).total_seconds()
    if abs(ahead) > SKEW.total_seconds():
        way = "ahead of" if ahead > 0 else "behind"
        return Check(False, f"this host's clock is {abs(ahead):.0f} s {way} the database's", "Set both by NTP.")
    return Check(True, "this host's clock agrees with the database's")


def networked(path: Path, mounts: str) -> str | None:
    """Return the kind of the network file system that holds *path*, by the text of /proc/mounts."""
    rows = [line.split() for line in mounts.splitlines() if len(line.split()) > 2]
    mounted = [(row[1], row[2]) for row in rows if path.is_relative_to(row[1].replace("\\040", " "))]
    kind = max(mounted, key=lambda row: len(row[0]), default=("", ""))[1]
    return kind if kind in NETWORKED else None


def _postgres(session: Session) -> Check:
    version = int(_current_setting(session, "server_version_num")) // 10_000
    wrong = list(_unlike_wanted(session))
    if version < OLDEST_POSTGRES:
        wrong.append((f"PostgreSQL {version} is older than {OLDEST_POSTGRES}", "upgrade it"))
    if _current_setting(session, "statement_timeout") in {"0", ""}:
        wrong.append(("there is no statement_timeout, because a pooler drops startup options: a slow query holds its "
                      "connection for ever", "set it with ALTER ROLE, as deploy/docs/postgresql.md does"))  # fmt: skip
    if wrong:
        fixes = "; ".join(dict.fromkeys(fix for _, fix in wrong))
        harmless = all(problem.split()[0] in DURABILITY for problem, _ in wrong)
        return Check(harmless, "; ".join(problem for problem, _ in wrong), f"{fixes[0].upper()}{fixes[1:]}.")
    timeouts = ", ".join(f"{name} {_current_setting(session, name)}" for name in ("statement_timeout", "lock_timeout"))
    return Check(True, f"PostgreSQL {_current_setting(session, 'server_version')}, {timeouts}")


def _unlike_wanted(session: Session) -> Iterator[tuple[str, str]]:
    for name, (recommended, meaning, fix) in WANTED.items():
        current = _current_setting(session, name)
        stricter = name == "synchronous_commit" and current in {"remote_write", "remote_apply"}
        if current != recommended and not stricter:
            yield f"{name} is {current}: {meaning}", fix


def _connections(session: Session, *, pool_size: int, processes: int) -> Check:
    most = int(_current_setting(session, "max_connections")) - int(
        _current_setting(session, "superuser_reserved_connections")
    )
    needed = (pool_size + OVERFLOW) * processes
    summary = f"this service may open {needed} ({processes} processes), the database grants {most}"
    if needed > most:
        return Check(False, summary, "Lower REGISTRY_DATABASE_POOL_SIZE or REGISTRY_WORKERS, or raise max_connections.")
    return Check(True, f"{summary}; each replica and each worker needs as many again")


def _sqlite(session: Session, path: Path | None) -> Check:
    journal = str(session.execute(text("PRAGMA journal_mode")).scalar())
    synchronous = str(session.execute(text("PRAGMA synchronous")).scalar())
    version = str(session.execute(text("SELECT sqlite_version()")).scalar())
    mounts = Path("/proc/mounts")
    kind = networked(path, mounts.read_text()) if path and mounts.exists() else None
    if kind:
        return Check(False, f"{path} is on a network file system ({kind}), where SQLite's locks do not hold",
                     "Move REGISTRY_DATA_DIR to a local disk, or use PostgreSQL.")  # fmt: skip
    if journal != "wal" or synchronous != "2":
        return Check(False, f"SQLite has journal_mode {journal} and synchronous {synchronous}, not wal and 2",
                     "Move REGISTRY_DATA_DIR to a file system that SQLite can use in WAL mode.")  # fmt: skip
    free = _free_mib(path)
    fix = f"Make room on the disk of {path}: without it nothing can be written." if free < LEAST_FREE_MIB else ""
    return Check(True, f"SQLite {version}, {journal}, synchronous full, {free} MiB free", fix)


def _free_mib(path: Path | None) -> int:
    statistics = os.statvfs(path.parent if path else "/")
    return statistics.f_bavail * statistics.f_frsize // 2**20


def _current_setting(session: Session, name: str) -> str:
    return str(session.execute(text("SELECT current_setting(:name, true)"), {"name": name}).scalar() or "")
