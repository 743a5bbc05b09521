"""Health of this process: its database, schema and store, and the state of the background work."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import structlog
from sqlalchemy import exists, func, select

from registry.db import grants, schema, times
from registry.db.models import Blob, Import, Upload, Version, VersionFile
from registry.db.replica_reads import current_replica
from registry.db.session import reading
from registry.db.unknown import is_known
from registry.domain import clock
from registry.domain.errors import ForeignStore, RegistryError, StoreDenied, Unavailable
from registry.domain.states import UploadState, VersionState
from registry.services import background_jobs, bounded_calls, leases
from registry.services.imports.upstream import Upstream
from registry.services.integrity import store_ownership
from registry.services.integrity.damage import DAMAGED
from registry.services.maintenance import secret_keys
from registry.services.monitoring import log_health
from registry.services.monitoring.checks import Check
from registry.services.sealed_log.pins import Pin
from registry.storage.checked import Store
from registry.telemetry import shared_values
from registry.telemetry.line_writer import writer

log = structlog.get_logger(__name__)
PATIENCE = timedelta(minutes=10)
IDENTITY_SECONDS = 5.0  # for which a confirmation serves the probes
NOT_READY = "not ready"
PRIVILEGES_FIX = (
    "Migrate as the owner with registry db upgrade --app-role NAME, and let the service connect as NAME "
    "(deploy/docs/audit.md)."
)
LISTING_FIX = (
    "Grant it (deploy/docs/store.md). Without it registry admin gc and fsck do not find objects and parts that nothing "
    "refers to; they stay."
)
USED = "reads go to it"
DISPENSABLE = frozenset({"storage", "identity", "audit_log", "logs", "metrics", "clock"})


def readiness(store: Store, pin: Pin, *, seconds: float) -> dict[str, Check]:
    """Look at everything a request may need, for *seconds* at most, and at log, counts and clock of this process."""
    own = {
        "logs": _check_quietly(writer.problem),
        "metrics": _check_quietly(shared_values.problem),
        "clock": _check_quietly(_clock_problem),
    }
    if (replica := current_replica()) is not None:
        own["replica"] = Check(True, replica.problem or USED)  # its failure is none of the service
    return _needed(store, pin, seconds) | own


def state_of(checks: Mapping[str, Check]) -> str:
    """Return ``ready``, ``degraded`` or ``not ready``.

    Without its store the service still reads, promotes what is verified and keeps history: to take it out of a load
    balancer for that would end all of it. In another registry's store it changes nothing. Requests do not need log
    lines or counts. While the clock is wrong, reads go on. While the audit log is forked, entries are not sealed.
    """
    failing = {name for name, check in checks.items() if not check.ok}
    if failing <= DISPENSABLE:
        return "degraded" if failing else "ready"
    return NOT_READY


def examination(store: Store, pin: Pin, upstreams: Sequence[Upstream], *, seconds: float) -> dict[str, Check]:
    """Check everything that a request may need, for *seconds* at most, and what operators read in addition."""
    return further(_needed(store, pin, seconds), store, upstreams)


def further(needed: Mapping[str, Check], store: Store, upstreams: Sequence[Upstream]) -> dict[str, Check]:
    """Return the checks that are *needed*, and what operators read in addition. Asks the tracking servers."""
    checks = {**needed, "abilities": _check_with_text(partial(_abilities, store))}
    if checks["storage"].ok:
        checks["listing"] = _listing(store)
    for upstream in upstreams:
        checks[f"tracking server {upstream.server.url}"] = _check_with_text(partial(_upstream, upstream))
    if checks["database"].ok and checks["migrations"].ok:
        checks |= {
            "verification": _check_quietly(_backlog),
            "versions": _check_quietly(_pending),
            "bytes": _check_quietly(_damage),
            "jobs": _check_quietly(_parked),
        }
    return checks


def store_answers(store: Store, *, seconds: float) -> bool:
    """Return whether the store is there; looked at for *seconds* at most."""
    return _check_with_text(lambda: bounded_calls.start("store", partial(_storage, store)).result(seconds)).ok


def probe(store: Store) -> None:
    """Test, before the first request, whether the store refuses wrong bytes.

    A store that is down is tested when it is needed.
    """
    with suppress(Unavailable):
        log.info("store_probed", verifies_on_arrival=store.verifies_on_arrival)


def log_privileges() -> None:
    """Log a warning where the service's role could change history; a database that does not answer is no obstacle."""
    with suppress(Unavailable), reading() as session:
        if danger := grants.danger(session.connection()):
            log.warning("database_role_can_change_history", role=danger, fix=PRIVILEGES_FIX)


def _privileges(danger: str | None) -> Check:
    """Return a warning where the service's role could change history: one role for everything works."""
    if danger is None:
        return Check(True, "the service's role can add to history and not change it")
    return Check(True, f"{danger}: a stolen password of the service can change history", PRIVILEGES_FIX)


def _needed(store: Store, pin: Pin, seconds: float) -> dict[str, Check]:
    asked = bounded_calls.start("database", _database), bounded_calls.start("store", partial(_storage, store))
    end = time.monotonic() + seconds
    database = _check_quietly(lambda: _nothing(asked[0].result(end - time.monotonic())))
    checks = {
        "database": database,
        "migrations": _check_quietly(lambda: asked[0].result(0).mismatch),
        "storage": _check_with_text(lambda: asked[1].result(end - time.monotonic())),
    }
    if checks["migrations"].ok:
        checks["secret_key"] = _check_quietly(lambda: asked[0].result(0).key)
    if all(check.ok for check in checks.values()):
        whose = bounded_calls.start("store's identity", partial(_identity, store))
        pinned = log_health.start(pin)
        checks["identity"] = _check_with_text(lambda: whose.result(end - time.monotonic()))
        checks["audit_log"] = _check_in_time(pinned, end)
    if database.ok and asked[0].result(0).has_roles:
        checks["privileges"] = _privileges(asked[0].result(0).danger)
    return checks


def _nothing(_answer: _Database) -> None:
    """Accept any answer: the database has responded."""


def _check_quietly(look: Callable[[], str | None]) -> Check:
    """Return the check of a function that returns a problem or None."""
    try:
        problem = look()
    except RegistryError as error:
        return Check(False, error.detail)
    return Check(problem is None, problem or "ok")


def _check_with_text(look: Callable[[], str]) -> Check:
    """Return the check of a function that returns a detail, and raises for a problem."""
    try:
        return Check(True, look())
    except RegistryError as error:
        return Check(False, error.detail)


def _check_in_time(call: bounded_calls.Call[Check], end: float) -> Check:
    """Return the check that a call returns until *end*, of the monotonic clock."""
    try:
        return call.result(end - time.monotonic())
    except RegistryError as error:
        return Check(False, error.detail)


def _clock_problem() -> str | None:
    """Return why entries cannot be dated, as far as this process has noticed; None when they can."""
    refusal = times.refusal()
    return refusal.detail if refusal else None


@dataclass(frozen=True, slots=True)
class _Database:
    """Problems of this process with the database: its schema, or else its secret key.

    ``danger`` is why the connected role could change history.
    """

    mismatch: str | None
    key: str | None
    danger: str | None
    has_roles: bool


def _database() -> _Database:
    with reading() as session:
        asked_at = times.steady()
        times.note(session.scalar(select(times.column())), asked_at=asked_at)
        connection = session.connection()
        has_roles = connection.dialect.name == "postgresql"
        unfit = schema.mismatch(connection)
        key = None if unfit else secret_keys.problem_of(session)
        return _Database(unfit, key, grants.danger(connection), has_roles)


def _storage(store: Store) -> str:
    store.check()
    if store.verifies_on_arrival:
        return "the store refuses wrong bytes itself; what comes in parts is read back"
    return "the store takes any bytes; all of them are read back and hashed"


def _identity(store: Store) -> str:
    """Compare the store's identity. Raises ForeignStore, or Unavailable."""
    if not (store.standing.own and store.standing.age() < IDENTITY_SECONDS):
        finding = store_ownership.examine(store)
        if finding.state is store_ownership.OwnershipState.FOREIGN:
            raise ForeignStore(finding.detail)
    return "the store belongs to this registry" if store.standing.own else "the store is free; its first use claims it"


def _abilities(store: Store) -> str:
    """Return the capabilities of the store, for operators."""
    where = "clients reach the store directly" if store.is_reached_directly else "bytes pass through this service"
    parts = "parts of unknown digest too" if store.gathers else "parts of known digests only"
    return f"{where}; a key is written once (conditional put), large files in parts ({parts}), ranges can be read"


def _listing(store: Store) -> Check:
    """Return a warning where the store may not be listed: all works but the search for what nothing refers to."""
    refusals: list[str] = []
    for walk in (store.objects, store.unfinished):
        try:
            next(iter(walk()), None)
        except StoreDenied as denied:
            refusals.append(denied.detail)
        except RegistryError as error:
            return Check(False, error.detail)
    if not refusals:
        return Check(True, "objects and unfinished uploads can be listed")
    return Check(True, "; ".join(refusals), LISTING_FIX)


def _upstream(upstream: Upstream) -> str:
    upstream.server.check()
    return "it answers, and takes the credentials"


def _backlog() -> str | None:
    """Return a problem when uploads have waited for a worker for longer than usual."""
    with reading() as session:
        moment = leases.now(session)
        waiting = (Upload.state == UploadState.UPLOADED) & (
            Upload.leased_until.is_(None) | (Upload.leased_until < moment)
        )
        count, oldest = session.execute(select(func.count(), func.min(Upload.created_at)).where(waiting)).one()
    if not count or moment - oldest < PATIENCE:
        return None
    return f"{count} uploads wait to be verified, the oldest announced at {clock.wire(oldest)}: run registry worker"


def _pending() -> str | None:
    """Return a problem when versions wait, though no worker reads any of their bytes."""
    with reading() as session:
        moment = leases.now(session)
        old = (Version.state == VersionState.PENDING.value) & (Version.created_at < moment - PATIENCE)
        read_now = exists().where(
            VersionFile.version_id == Version.id,
            VersionFile.sha256 == Upload.sha256,
            Upload.state == UploadState.UPLOADED,
            Upload.leased_until >= moment,
        )
        # One import is done after the other: those that wait are well as long as any has been worked on lately.
        fetched_now = ~is_known(Version.manifest_digest) & exists().where(Import.leased_until >= moment - PATIENCE)
        count = session.scalars(select(func.count()).select_from(Version).where(old, ~read_now, ~fetched_now)).one()
    pending = "1 version is" if count == 1 else f"{count} versions are"
    return f"{pending} pending for longer than ten minutes: run registry worker" if count else None


def _parked() -> str | None:
    with reading() as session:
        counts = {kind: count for kind, count in background_jobs.parked(session).items() if count}
    text = ", ".join(f"{count} of kind {kind}" for kind, count in counts.items())
    return f"jobs are parked after several attempts: {text}" if counts else None


def _damage() -> str | None:
    with reading() as session:
        damaged = select(Blob.damage, func.count()).where(Blob.damage.in_(DAMAGED)).group_by(Blob.damage)
        rows = session.execute(damaged.order_by(Blob.damage)).all()
    texts = [f"{count} {damage} (registry audit --action blob.{damage})" for damage, count in rows]
    return f"stored files are damaged: {', '.join(texts)}. Send them again, or restore them" if texts else None
