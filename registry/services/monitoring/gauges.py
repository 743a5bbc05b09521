"""Metrics from the database: the same numbers from every replica.

No statement here scans a large table, because scrapes are frequent: see ``table_counts`` for those that must.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from registry.db import grants, times
from registry.db.models import AuditEntry, Blob
from registry.db.queries import attention as attention_queries
from registry.db.queries import holds as hold_queries
from registry.db.session import reading
from registry.domain.errors import Unavailable
from registry.domain.holds import HoldKind
from registry.domain.states import ImportState, VersionState
from registry.services import background_jobs, bounded_calls, leases
from registry.services.holds import recall
from registry.services.integrity import file_formats
from registry.services.integrity.damage import ABSENT, CORRUPT, MISSING, SUSPECT
from registry.services.maintenance import heartbeats
from registry.services.monitoring import backlog, table_counts
from registry.services.requests import showing
from registry.services.sealed_log import standing

LEAST_SECONDS = 5.0  # for all statements; Prometheus gives up after ten
STATES = {"versions": tuple(VersionState), "imports": tuple(ImportState)}
DAMAGED = Blob.damage.is_not(None)


@dataclass(frozen=True, slots=True)
class Gauge:
    """Values of a gauge by its label, or one under the empty text without a label.

    Those of a ``total`` never fall.
    """

    name: str
    help: str
    label: str | None = None
    values: Mapping[str, float] = field(default_factory=dict)
    total: bool = False


def look(*, seconds: float) -> list[Gauge]:
    """Return the gauges. Raises Unavailable, also after *seconds*, but not before LEAST_SECONDS."""
    return bounded_calls.start("database's count", _read_gauges).result(max(seconds, LEAST_SECONDS))


def _read_gauges() -> list[Gauge]:
    try:
        return _query_gauges()
    except SQLAlchemyError as error:  # a schema that is older than this release has not all of the tables
        raise Unavailable(f"the database cannot be counted: {error}", retry_after=5) from error


def _query_gauges() -> list[Gauge]:
    with reading() as session:
        moment = leases.now(session)
        return [
            *_backlog(session, moment),
            *_damage(session),
            Gauge("registry_formats_waiting", "Stored files that wait for a worker to recognise their format.", None,
                  {"": file_formats.waiting(session)}),
            *_workers(session),
            Gauge("registry_jobs_parked", "Jobs that were given up after several attempts.", "kind",
                  background_jobs.parked(session)),
            Gauge("registry_audit_entries", "Entries of the audit log, by the id of the latest.", None,
                  {"": session.scalars(select(func.coalesce(func.max(AuditEntry.id), 0))).one()}, total=True),
            *_sealed_log(session, moment),
            *_clock_gauges(session, moment),
            *_role(session),
            *_holds(session),
            Gauge("registry_broken_glasses_unacknowledged", "Versions whose move past the gates is not acknowledged.",
                  None, {"": attention_queries.moved_past_gates_count(session)}),
            *_requests(session, moment),
            *_counted_gauges(session, moment),
        ]  # fmt: skip


def clock_ahead_seconds(session: Session, moment: datetime) -> float:
    """Return by how much the latest time in the audit log is ahead of *moment*, or 0."""
    latest = session.scalars(select(func.max(AuditEntry.at))).one()
    return max(0.0, (latest - moment).total_seconds()) if latest else 0.0


def _clock_gauges(session: Session, moment: datetime) -> list[Gauge]:
    return [
        Gauge("registry_clock_step_seconds", "By how much the database's clock was set while this process ran, or 0.",
              None, {"": times.current().step.total_seconds()}),
        Gauge("registry_clock_ahead_seconds", "How far the latest audit entry is ahead of the database's clock, or 0.",
              None, {"": clock_ahead_seconds(session, moment)}),
    ]  # fmt: skip


def _sealed_log(session: Session, moment: datetime) -> list[Gauge]:
    log = standing.progress(session)
    return [
        Gauge("registry_audit_sealed_entries", "Entries of the audit log that have a position.", None,
              {"": log.size}, total=True),
        Gauge("registry_audit_waiting", "Entries of the audit log that wait for a position.", None,
              {"": standing.waiting(session)}),
        Gauge("registry_audit_waiting_oldest_seconds", "The age of the oldest entry without a position, or 0.", None,
              {"": _age(log.unsealed_since, moment)}),
        Gauge("registry_audit_unpublished_oldest_seconds",
              "The age of the oldest entry that has a position and is under no published checkpoint, or 0.", None,
              {"": _age(log.unpublished_since, moment)}),
        Gauge("registry_audit_checkpoint_age_seconds", "Since the latest checkpoint was published; none: none was.",
              None, {"": _age(log.published_at, moment)} if log.published_at else {}),
    ]  # fmt: skip


def _age(since: datetime | None, moment: datetime) -> float:
    return max(0.0, (moment - since).total_seconds()) if since else 0.0


def _role(session: Session) -> list[Gauge]:
    connection = session.connection()
    if connection.dialect.name != "postgresql":
        return []
    return [
        Gauge("registry_database_role_unsafe", "1 when the service's database role could change history.", None,
              {"": float(grants.danger(connection) is not None)})
    ]  # fmt: skip


def _holds(session: Session) -> list[Gauge]:
    counts = hold_queries.active_counts(session)
    live = recall.live_holds(session) if counts else recall.LiveHolds({}, [])
    return [
        Gauge("registry_holds_active", "Active holds.", "kind", {kind: counts.get(kind, 0) for kind in HoldKind}),
        Gauge("registry_held_versions_in_production", "Versions in production that are held.", None,
              {"": len(live.notices)}),
        Gauge("registry_holds_uncounted",
              "Active holds that too much depends on to count their versions in production.", None,
              {"": len(live.uncounted)}),
    ]  # fmt: skip


def _requests(session: Session, moment: datetime) -> list[Gauge]:
    count, oldest = showing.count_open(session)
    return [
        Gauge("registry_requests_open", "Requests for approval that are open.", None, {"": count}),
        Gauge("registry_requests_open_oldest_seconds", "The age of the oldest open request for approval, or 0.", None,
              {"": _age(oldest, moment)}),
    ]  # fmt: skip


def _backlog(session: Session, moment: datetime) -> list[Gauge]:
    gauges = []
    for waiting in backlog.look(session):
        name, age = f"registry_{waiting.name}_waiting", {"": _age(waiting.since, moment)}
        gauges += [
            Gauge(name, f"{waiting.what}.", None, {"": waiting.count}),
            Gauge(f"{name}_oldest_seconds", f"{waiting.what}: the age of the oldest, or 0.", None, age),
        ]
    return gauges


def _damage(session: Session) -> list[Gauge]:
    counts = dict(session.execute(select(Blob.damage, func.count()).where(DAMAGED).group_by(Blob.damage)).all())
    counts[SUSPECT] = counts.get(SUSPECT, 0) + counts.get(ABSENT, 0)
    return [
        Gauge("registry_blobs_damaged", "Stored files that are missing, corrupt, or suspected to be.", "damage",
              {damage: counts.get(damage, 0) for damage in (MISSING, CORRUPT, SUSPECT)})
    ]  # fmt: skip


def _workers(session: Session) -> list[Gauge]:
    known = heartbeats.workers(session)
    alive = [worker for worker in known if worker.alive]
    age = {"": min(worker.silent.total_seconds() for worker in known)} if known else {}
    failing = Counter(work for worker in alive for work in worker.failing)
    return [
        Gauge("registry_workers", "Processes that do the background work now.", None, {"": len(alive)}),
        Gauge("registry_worker_heartbeat_age_seconds", "Since the latest sign of any worker; none: none in a day.",
              None, age),
        Gauge("registry_workers_failing", "Workers that could not do this work when they last tried.", "work", failing),
    ]  # fmt: skip


def _counted_gauges(session: Session, moment: datetime) -> list[Gauge]:
    counted, at = table_counts.latest(session)
    if at is None:
        return []
    gauges = [
        Gauge(f"registry_{name}", f"{name.capitalize()}, as last counted.", "state",
              {state: counted.get((name, state), 0) for state in states})
        for name, states in STATES.items()
    ]  # fmt: skip
    return [
        *gauges,
        Gauge("registry_blobs", "Stored files, as last counted.", None, {"": counted.get(("blobs", ""), 0)}),
        Gauge("registry_blob_bytes", "Bytes of all stored files, as last counted.", None,
              {"": counted.get(("blob_bytes", ""), 0)}),
        Gauge("registry_tokens_expiring", "API tokens in use that end within 14 days, as last counted.", None,
              {"": counted.get(("tokens_expiring", ""), 0)}),
        Gauge("registry_web_sessions", "Open browser sessions, as last counted.", None,
              {"": counted.get(("web_sessions", ""), 0)}),
        Gauge("registry_census_age_seconds", "Since a worker last counted versions, imports and files.", None,
              {"": max(0.0, (moment - at).total_seconds())}),
    ]  # fmt: skip
