"""The background loop: seal the audit log, verify uploads, fetch imports, scrub, collect garbage.

Any number of them may run. Sealing, verification and imports, which clients wait for, are polled; other work runs in
periodic rounds. Work that may take long has a separate thread.
"""

from __future__ import annotations

import atexit
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from types import FrameType

import structlog
from flask import Flask

from registry.db import times
from registry.domain.errors import Unavailable
from registry.domain.import_documents import registration_of
from registry.domain.sealing import Forked
from registry.http.context import EXTENSION, Adapters
from registry.services import audit, leases, sealed_log
from registry.services.artifacts import mlflow_sources, multipart
from registry.services.imports import import_jobs, import_kinds, run_refreshes, upstream
from registry.services.imports.import_kinds import Kind
from registry.services.integrity import file_formats, scrubbing, store_ownership
from registry.services.maintenance import cleanup, garbage_collection, heartbeats, secret_keys
from registry.services.monitoring import health, table_counts
from registry.services.requests import waiting
from registry.services.uploads import verification

log = structlog.get_logger(__name__)
IDLE_SECONDS = 1.0
SEALING_SECONDS = 0.5
FAILED_SECONDS = 5.0
REFRESH_SECONDS = 2.0
FORMATS_SECONDS = 30.0  # each round compares all blobs with their formats
UPKEEP_SECONDS = 60.0
CHECKPOINT_SECONDS = 600.0
PARTING_SECONDS = 10.0


@dataclass
class Round:
    """Work that is due every *seconds*, or *after_failure* if that is longer and it failed.

    ``work`` returns whether there may be more of it at once.
    """

    name: str
    seconds: float
    work: Callable[[], bool]
    due_at: float = 0.0
    after_failure: float = 0.0


@dataclass
class Standing:
    """The present work of this process, and the work that failed at its last attempt, for its heartbeat."""

    doing: set[str] = field(default_factory=set)
    failing: set[str] = field(default_factory=set)


def run(app: Flask, *, once: bool = False) -> None:
    """Work until the process gets SIGTERM or SIGINT; with *once* until all that is due now is done.

    Work in progress has a few seconds to end then; the rest is left to other workers. Raises SecretKeyMismatch or
    ForeignStore when the key or the store is another registry's.
    """
    times.guard(app)
    with app.app_context():
        secret_keys.confirm_at_start()
        store_ownership.confirm_at_start(app.extensions[EXTENSION].store)
        health.log_privileges()
    stop = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    if once:
        for lane in _lanes(app.extensions[EXTENSION]):
            _do_what_is_due(app, lane, stop, Standing())
        return
    threads = _start(app, stop, kind="worker")
    stop.wait()
    for thread in threads:
        thread.join(PARTING_SECONDS / len(threads))
    _give_back(app)


def start_threads(app: Flask) -> None:
    """Run the background work in threads of a single-process server; the threads end with the process."""
    _start(app, threading.Event(), kind="server")
    atexit.register(_give_back, app)


def _give_back(app: Flask) -> None:
    """Release the jobs of this process to other workers."""
    try:
        with app.app_context():
            leases.give_back()
    except Unavailable as error:
        log.warning("work_not_given_back", reason=error.detail)  # it is taken up when its lease has run out


def kinds_of(adapters: Adapters) -> dict[str, Kind]:
    """Return how to fill versions whose numbers were reserved, by the kind of their facts."""
    return {
        mlflow_sources.KIND: import_kinds.from_artifacts(mlflow_sources.files_for),
        "location": import_kinds.from_location(adapters.sources),
        "tracking": upstream.from_tracking(adapters.upstreams, adapters.sources),
    }


def _start(app: Flask, stop: threading.Event, *, kind: str) -> list[threading.Thread]:
    """Start one thread a lane, so that a long import delays no verification. They do not keep the process alive."""
    standing = Standing()
    threads = [
        threading.Thread(target=_work, args=(app, lane, stop, standing), name=lane[0].name, daemon=True)
        for lane in _lanes(app.extensions[EXTENSION])
    ]
    threads.append(threading.Thread(target=_beat, args=(app, stop, standing, kind), name="heartbeat", daemon=True))
    for thread in threads:
        thread.start()
    return threads


def _beat(app: Flask, stop: threading.Event, standing: Standing, kind: str) -> None:
    pulse = heartbeats.Pulse(kind)
    while True:
        stopped = stop.is_set()
        try:
            with app.app_context():
                pulse.beat(doing=sorted(standing.doing), failing=sorted(standing.failing), stopped=stopped)
        except Unavailable as error:
            log.warning("heartbeat_missed", reason=error.detail)
        except Exception:
            log.exception("heartbeat_failed")  # the next may come through
        if stopped:
            return
        stop.wait(heartbeats.EVERY)


def _work(app: Flask, lane: Sequence[Round], stop: threading.Event, standing: Standing) -> None:
    while not stop.is_set():
        _do_what_is_due(app, lane, stop, standing)
        stop.wait(min(IDLE_SECONDS, *(task.seconds for task in lane)))


def _do_what_is_due(app: Flask, lane: Sequence[Round], stop: threading.Event, standing: Standing) -> None:
    for task in lane:
        while not stop.is_set() and task.due_at <= time.monotonic() and _more(app, task, standing):
            pass


def _more(app: Flask, task: Round, standing: Standing) -> bool:
    """Do one piece of the work; false when it is to rest until it is due again, as after a failure."""
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(work=task.name)
    standing.doing.add(task.name)
    try:
        with app.app_context():
            more = task.work()
        standing.failing.discard(task.name)
        if more:
            return True
    except Unavailable as error:
        standing.failing.add(task.name)
        log.warning("postponed", reason=error.detail)
    except Exception:
        standing.failing.add(task.name)
        log.exception("failed")  # the other work goes on, and this is tried again
    finally:
        standing.doing.discard(task.name)
    failed = task.name in standing.failing
    task.due_at = time.monotonic() + (max(task.seconds, task.after_failure) if failed else task.seconds)
    return False


def _lanes(adapters: Adapters) -> list[list[Round]]:
    store, settings = adapters.store, adapters.settings

    def verify() -> bool:
        more = verification.verify_next(store=store)
        verification.settle(store=store, protected=settings.protected_aliases)
        return more

    kinds = kinds_of(adapters)

    def fetch() -> bool:
        return import_jobs.run_next(
            store=store,
            sources=adapters.sources,
            make=registration_of,
            kinds=kinds,
            protected=settings.protected_aliases,
            allow_secrets=settings.allow_secrets,
        )

    def hash_artifacts() -> bool:
        return multipart.hash_next(store=store)

    def recognise_formats() -> bool:
        return file_formats.recognise_next(store=store)

    def refresh_runs() -> bool:
        return run_refreshes.refresh_next(upstreams=adapters.upstreams)

    def apply_requests() -> bool:
        return waiting.apply_next(store=store, protected=settings.protected_aliases)

    def keep_up() -> bool:
        done = cleanup.run(store=store)
        log.info("upkeep", uploads_expired=done.uploads, keys_forgotten=done.keys, files_swept=done.files)
        return False

    def count() -> bool:
        table_counts.take()
        return False

    def checkpoint() -> bool:
        return audit.checkpoint()

    def seal() -> bool:
        try:
            return sealed_log.seal_next(adapters.signer, adapters.pin)
        except Forked as error:
            raise Unavailable(f"nothing is sealed: {error}") from error

    def scrub() -> bool:
        return scrubbing.scrub_next(store=store, interval=timedelta(seconds=settings.scrub_interval))

    def collect() -> bool:
        collected = list(garbage_collection.collect(store=store, grace=timedelta(seconds=settings.gc_grace)))
        deleted = [waste for waste in collected if waste.deleted]
        freed = sum(waste.size for waste in deleted)
        log.info("collected", deleted=len(deleted), bytes=freed, waiting=len(collected) - len(deleted))
        return False

    return [
        [Round("sealing", SEALING_SECONDS, seal, after_failure=FAILED_SECONDS)],
        [Round("verification", IDLE_SECONDS, verify)],
        [Round("imports", IDLE_SECONDS, fetch)],
        [Round("artifacts", IDLE_SECONDS, hash_artifacts)],
        [Round("file_formats", FORMATS_SECONDS, recognise_formats)],
        [Round("run_refreshes", REFRESH_SECONDS, refresh_runs)],
        [Round("requests", IDLE_SECONDS, apply_requests)],
        [
            Round("upkeep", UPKEEP_SECONDS, keep_up),
            Round("census", UPKEEP_SECONDS, count),
            Round("collection", settings.gc_interval, collect),
            Round("checkpoint", CHECKPOINT_SECONDS, checkpoint, due_at=time.monotonic() + CHECKPOINT_SECONDS),
        ],
        [Round("scrubbing", UPKEEP_SECONDS, scrub)],
    ]
