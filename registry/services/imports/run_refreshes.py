"""Second snapshots of runs that were still running when their version was registered.

A worker reads the run from the tracking server until it has ended, at growing intervals and for seven days at most.
Then it adds what the run has logged since, in one transaction with its audit entry. Recorded facts are not changed. A
deleted version is not touched until it is restored or the time is over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy import and_, literal_column, select
from sqlalchemy.orm import Session

from registry.db import times
from registry.db.bulk_insert import insert_rows
from registry.db.models import Model, RunRefresh, Version, VersionMetric, VersionParam
from registry.db.queries import catalog, records
from registry.db.records import VersionRecord
from registry.db.session import reading, transaction
from registry.domain import fact_digests
from registry.domain.access import SYSTEM
from registry.domain.audit import AuditEntryDraft
from registry.domain.errors import Invalid, NotFound, RegistryError
from registry.domain.evaluations import Evaluation
from registry.domain.registrations import Followed, Registration
from registry.domain.states import APPENDABLE, RefreshState, RunState
from registry.services import audit, background_jobs, leases
from registry.services.audit import row_seals
from registry.services.catalog import measurements, registration, versions
from registry.services.imports import upstream
from registry.services.imports.upstream import Upstream
from registry.services.leases import Lease
from registry.services.lineage import recording
from registry.telemetry import logs

log = structlog.get_logger(__name__)
SHORTEST, LONGEST = timedelta(seconds=5), timedelta(hours=1)  # between two looks
GIVEN_UP_AFTER = timedelta(days=7)
WAITING = RunRefresh.state == literal_column("'waiting'")  # a literal: else the index over it may be left out
LATELY, MOST = timedelta(days=30), 100  # of what doctor reports


def followed(version: VersionRecord) -> Followed | None:
    """Return the run that the registry looks at again for a version; None without one."""
    statement = (
        select(RunRefresh)
        .join(Version, Version.id == RunRefresh.version_id)
        .where(Version.model_id == version.model_id, Version.number == version.number)
    )
    with reading() as session:
        row = session.scalars(statement).first()
    return _followed(row) if row is not None and _is_genuine_refresh(row) else None


def abandoned_lately() -> list[str]:
    """Return the versions that were left without the end of their run in the last 30 days, the latest first."""
    statement = (
        select(Model.name, Version.number)
        .join(Version, Version.model_id == Model.id)
        .join(RunRefresh, RunRefresh.version_id == Version.id)
        .where(RunRefresh.state == RefreshState.ABANDONED, RunRefresh.finished_at > times.now() - LATELY)
        .order_by(RunRefresh.finished_at.desc(), RunRefresh.id)
        .limit(MOST)
    )
    with reading() as session:
        return [f"{name}:{number}" for name, number in session.execute(statement)]


def refresh_next(*, upstreams: Sequence[Upstream]) -> bool:
    """Look at one run again; false when none is due. Any number of workers may do this at once."""
    due = select(RunRefresh).where(WAITING, RunRefresh.due_at <= times.now())
    row = leases.take(due.order_by(RunRefresh.due_at, RunRefresh.id), RunRefresh)
    if row is None:
        return False
    lease = Lease(row)
    try:
        if lease.is_spent:
            background_jobs.park_refresh(lease)
        elif not _is_genuine_refresh(row):
            _end_refresh(
                row, lease, "the job does not bear this registry's seal: its row was changed by another program"
            )
        else:
            _attempt_refresh(row, lease, upstreams)
    except leases.Lost:
        log.warning("run_refresh_lost", id=row.id)
    finally:
        lease.abandon()
    return True


def _is_genuine_refresh(row: RunRefresh) -> bool:
    return row_seals.is_true(row.seal, row_seals.refresh_leaf(row))


def _followed(row: RunRefresh) -> Followed:
    return Followed(row.server, row.run_id, row.logged_model)


def _attempt_refresh(row: RunRefresh, lease: Lease[RunRefresh], upstreams: Sequence[Upstream]) -> None:
    """Add what is known of a run that has ended, or come back later. Raises Lost."""
    is_last = times.now() - _since(row) >= GIVEN_UP_AFTER
    over = f"the run had not ended after {GIVEN_UP_AFTER.days} days"
    try:
        known = upstream.look_again(_followed(row), upstreams)
        if known.follows and not is_last:
            _come_back(row, lease, "the run has not ended")
        else:
            _end_refresh(row, lease, over if known.follows else None, known)
    except (NotFound, Invalid) as refusal:
        _end_refresh(row, lease, refusal.detail)
    except RegistryError as refusal:
        if is_last:
            _end_refresh(row, lease, f"{over}: {refusal.detail}")
        else:
            _come_back(row, lease, refusal.detail)
    except leases.Lost:
        raise
    except Exception:
        log.exception("run_refresh_broke", id=row.id)
        _come_back(row, lease, "the registry made a mistake; its log has it under this job's id", counts=True)


def _come_back(row: RunRefresh, lease: Lease[RunRefresh], reason: str, *, counts: bool = False) -> None:
    """Look again later: the longer the run goes on, the later. Raises Lost."""
    with transaction() as session:
        _postpone_refresh(session, lease.lock(session), reason, counts=counts)


def _postpone_refresh(session: Session, row: RunRefresh, reason: str, *, counts: bool = False) -> None:
    now = leases.now(session)
    row.due_at = now + min(max((now - _since(row)) / 2, SHORTEST), LONGEST)
    row.reason = reason
    if not counts:
        # leases.take has counted this look. Only mistakes of the registry may park the job.
        row.attempts = 0


def _since(row: RunRefresh) -> datetime:
    """Return when the wait began: with the registration, or when an abandoned one was retried."""
    return row.finished_at or row.created_at


def _end_refresh(
    row: RunRefresh, lease: Lease[RunRefresh], reason: str | None, known: Registration | None = None
) -> None:
    """End the refresh and record the result, with what is *known*; *reason* is why the end of the run was not seen.

    Raises Lost, or Invalid for more than a version can have.
    """
    if known is not None:
        registration.require_sizes(known)
    with transaction() as session:
        locked_model = catalog.lock_model_by_id(session, row.model_id)
        done = lease.lock(session)
        version = session.get_one(Version, done.version_id, populate_existing=True)
        logs.concerning({"model": locked_model.name, "version": version.number})
        is_there = locked_model.deleted_at is None and version.state in APPENDABLE
        if not is_there:
            reason, known = f"{locked_model.name}:{version.number} was deleted or has failed", None
            if version.purged_at is None and times.now() - _since(done) < GIVEN_UP_AFTER:
                _postpone_refresh(session, done, reason)  # it may be restored
                return
        event = audit.begin(locked_model)
        state = RunState.FINISHED if reason is None else RunState.ABANDONED
        done.state, done.reason, done.finished_at = (
            RefreshState.DONE if reason is None else RefreshState.ABANDONED,
            reason,
            event.at,
        )
        if version.run_state != RunState.UNFINISHED or version.model_id != locked_model.id:
            return  # another row was to do this, or SQL wrote this one
        version.run_state = state.value
        catalog.touch(version, event.at)
        counts, written = _append(session, version, known, done, event) if known else ({}, {})
        draft = AuditEntryDraft(
            "version.refreshed",
            versions.subject(locked_model, version),
            before={"run_state": RunState.UNFINISHED.value},
            after={"run_state": state.value, **counts},
            digests={"lineage": known.lineage.digest} if known else {},
            texts=audit.texts(reason=reason),
            facts=written,
        )
        audit.record(session, locked_model, event, draft, actor=SYSTEM, version=version)
    log.info("run_refreshed", id=row.id, run=row.run_id, state=state.value, reason=reason)


def _append(
    session: Session, version: Version, known: Registration, row: RunRefresh, event: audit.Event
) -> tuple[dict[str, int], dict[str, str]]:
    """Add what is new to params, metrics and lineage; returns how many, and the digests for the audit entry."""
    run = known.lineage.run
    had = select(VersionParam.key, VersionParam.value).where(VersionParam.version_id == version.id)
    params: dict[str, str] = dict(records.rows(session, had))
    new = {key: value for key, value in {**(run.params if run else {}), **known.params}.items() if key not in params}
    rows = [{"version_id": version.id, "key": key, "value": value} for key, value in new.items()]
    insert_rows(session, VersionParam, rows)
    fresh = _unmeasured(session, version, known, row)
    for evaluation in fresh:
        measurements.require_room(session, version, evaluation)
    measured = measurements.add_metrics(session, version, fresh, event=event, actor=SYSTEM)
    edges = recording.extend(session, version, known.lineage, at=event.at)
    digests = {
        "params": fact_digests.params(params | new),
        "metrics": fact_digests.metrics(measured),
        "edges": fact_digests.edges(edges),
    }
    return {"params": len(new), "metrics": len(measured)}, digests


def _unmeasured(session: Session, version: Version, known: Registration, row: RunRefresh) -> list[Evaluation]:
    """Return the values that were never recorded, but for metrics that were measured since the first snapshot."""
    key, digest, value = VersionMetric.key, VersionMetric.dataset_digest, VersionMetric.value
    mine = and_(VersionMetric.version_id == version.id, VersionMetric.slice == "")  # MLflow has no slices
    had = {tuple(one) for one in records.rows(session, select(key, digest, value).distinct().where(mine))}
    since = VersionMetric.recorded_at > row.created_at
    later = select(key, digest).distinct().where(mine, since, VersionMetric.recorded_by != SYSTEM.id)
    decided = {tuple(one) for one in records.rows(session, later)}
    evaluations = []
    for one in known.measured:
        metrics = {
            name: float(number)
            for name, number in one.metrics.items()
            if (name, one.dataset_digest) not in decided and (name, one.dataset_digest, float(number)) not in had
        }
        if metrics:
            evaluations.append(replace(one, metrics=metrics))
    return evaluations
