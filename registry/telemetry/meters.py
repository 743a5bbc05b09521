"""Counts of each process for Prometheus; exact over the workers of one server.

The meters are created when a process first counts: by then it is decided whether its counts are shared (see
``processes``).
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, values
from prometheus_client.registry import Collector

from registry.domain.stages import TransitionKind
from registry.domain.states import ActOutcome, EventEffect, LoginOutcome, ReplicaOutcome, SealOutcome
from registry.rules.policies.conditions import KINDS
from registry.telemetry import periodic, shared_values
from registry.telemetry.line_writer import writer
from registry.telemetry.processes import VARIABLE

if TYPE_CHECKING:
    from sqlalchemy import Pool

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNMATCHED = "unmatched"
OUTCOMES = ("done", "unchanged", "refused", "failed")
INLINE_OUTCOMES = ("fetched", "refused", "too_large", "timeout", "unavailable", "busy", "failed")
LINEAGE_BUCKETS = (1, 10, 100, 1000, 10_000, 100_000)
LINEAGE_QUESTIONS = ("graph", "impact")
GATE_OUTCOMES = ("met", "unmet")
TRIAL_OUTCOMES = ("applied", "unmet", "refused", "failed")
POOL_SECONDS = 1.0


class Meters:
    """Every meter of a process. ``collector`` has those of all processes that share their counts with it."""

    def __init__(self) -> None:
        # prometheus_client decides this when it is imported: too early.
        self._is_shared = bool(os.environ.get(VARIABLE))
        values.ValueClass = shared_values.make if self._is_shared else values.MutexValue
        self._own = CollectorRegistry(auto_describe=False)
        self._requests = Counter(
            "registry_http_requests", "Requests answered, by route.", ["route", "method", "code"], registry=self._own
        )
        self._durations = Histogram(
            "registry_http_request_duration_seconds",
            "Seconds until a request was answered, by route, without Prefer: wait.",
            ["route"], registry=self._own, buckets=BUCKETS,
        )  # fmt: skip
        self.transitions = Counter(
            "registry_transitions", "Moves between stages that were requested.", ["kind", "outcome"], registry=self._own
        )
        for kind in TransitionKind:
            for outcome in OUTCOMES:  # from 0 on, or the first of its kind would be no increase
                self.transitions.labels(kind.value, outcome)
        self.unchecked_rollbacks = Counter(
            "registry_unchecked_rollbacks", "Rollbacks without a check of the target's files in the store.",
            registry=self._own,
        )  # fmt: skip
        self.broken_glasses = Counter(
            "registry_broken_glasses", "Moves of versions past the gates.", registry=self._own
        )
        self.gate_evaluations = Counter(
            "registry_gate_evaluations", "Moves that a policy guarded, by what became of them.", ["outcome"],
            registry=self._own,
        )  # fmt: skip
        for outcome in GATE_OUTCOMES:
            self.gate_evaluations.labels(outcome)
        self.unmet_gates = Counter(
            "registry_unmet_gates", "Gates that refused a move, by the kind of the rule.", ["kind"],
            registry=self._own,
        )  # fmt: skip
        for rule in KINDS:
            self.unmet_gates.labels(rule)
        self.request_trials = Counter(
            "registry_request_trials", "Attempts of workers to apply a request for approval, by outcome.", ["outcome"],
            registry=self._own,
        )  # fmt: skip
        for outcome in TRIAL_OUTCOMES:
            self.request_trials.labels(outcome)
        self.refusals = Counter(
            "registry_refusals", "Requests that were not done, by the code of the problem.", ["code"],
            registry=self._own,
        )  # fmt: skip
        self.refusals.labels("rate_limited")
        self.downloads = Counter(
            "registry_downloads", "Requests for the bytes of a version that were answered.", ["way"],
            registry=self._own,
        )  # fmt: skip
        self.uploads = Counter(
            "registry_uploads", "Uploads whose bytes arrived, or were refused as others than announced.", ["outcome"],
            registry=self._own,
        )  # fmt: skip
        self.inline_imports = Counter(
            "registry_inline_imports", "Requests of MLflow's clients that were to wait for files of a tracking server.",
            ["outcome"], registry=self._own,
        )  # fmt: skip
        for outcome in INLINE_OUTCOMES:
            self.inline_imports.labels(outcome)
        self.lineage_events = Counter(
            "registry_lineage_events", "Events of pipelines that were taken, by what they added to the lineage.",
            ["outcome"], registry=self._own,
        )  # fmt: skip
        for effect in EventEffect:
            self.lineage_events.labels(effect.value)
        self.seal_waits = Counter(
            "registry_seal_waits", "Writes that were to wait until they are sealed, by how that ended.", ["outcome"],
            registry=self._own,
        )  # fmt: skip
        for seal_outcome in SealOutcome:
            self.seal_waits.labels(seal_outcome.value)
        self.replica_reads = Counter(
            "registry_database_replica_reads", "Reads that may go to the replica, by where they went.", ["outcome"],
            registry=self._own,
        )  # fmt: skip
        for read_outcome in ReplicaOutcome:
            self.replica_reads.labels(read_outcome.value)
        self.lineage_nodes = Histogram(
            "registry_lineage_nodes", "Nodes that a question about lineage reached.", ["question"],
            registry=self._own, buckets=LINEAGE_BUCKETS,
        )  # fmt: skip
        self.lineage_cut = Counter(
            "registry_lineage_cut", "Questions about lineage that reached more nodes than an answer may have.",
            ["question"], registry=self._own,
        )  # fmt: skip
        for question in LINEAGE_QUESTIONS:
            self.lineage_nodes.labels(question)
            self.lineage_cut.labels(question)
        self.web_logins = Counter(
            "registry_web_logins", "Logins in the web interface, by outcome.", ["outcome"], registry=self._own
        )
        for login_outcome in LoginOutcome:
            self.web_logins.labels(login_outcome.value)
        self.web_acts = Counter(
            "registry_web_acts", "Forms that act in the web interface, by outcome.", ["outcome"], registry=self._own
        )
        for act_outcome in ActOutcome:
            self.web_acts.labels(act_outcome.value)
        self.upload_bytes = Counter("registry_upload_bytes", "Bytes of uploads that arrived.", registry=self._own)
        self._lines_lost = Counter(
            "registry_log_lines_lost", "Log lines that were dropped: their reader hangs, or the disk is full.",
            registry=self._own,
        )  # fmt: skip
        self._log_failing = Gauge(
            "registry_log_failing", "Processes of this server that cannot write their log lines.", registry=self._own,
            multiprocess_mode="livesum",
        )  # fmt: skip
        self._lines_counted = 0
        self._pool = {
            name: Gauge(
                f"registry_database_pool_{name}", text, registry=self._own, multiprocess_mode="livesum"
            )
            for name, text in (
                ("checked_out", "Database connections in use, of all processes of this server."),
                ("size", "Database connections that the pools keep."),
                ("overflow", "Database connections beyond those that the pools keep."),
                ("limit", "Database connections that the pools may have at most."),
            )
        }  # fmt: skip
        self._by_request: dict[tuple[str | None, str, int], tuple[Counter, Histogram]] = {}

    def request(self, route: str | None, method: str, code: int, seconds: float) -> None:
        """Count one request; *route* is the rule that it matched, if any."""
        pair = self._by_request.get((route, method, code)) or self._meters_of(route, method, code)
        pair[0].inc()
        pair[1].observe(seconds)

    def pool(self, pool: Pool, *, max_overflow: int) -> None:
        """Note how much of a pool of connections is used now."""
        size = pool.size()  # type: ignore[attr-defined]  # a QueuePool, as are all of ours
        self._pool["checked_out"].set(pool.checkedout())  # type: ignore[attr-defined]
        self._pool["size"].set(size)
        self._pool["overflow"].set(max(0, pool.overflow()))  # type: ignore[attr-defined]
        self._pool["limit"].set(size + max_overflow)

    def log(self) -> None:
        """Note whether this process's log lines are written now, and how many were lost.

        Shares the numbers for which there was no room.
        """
        lost = writer.lost
        self._lines_lost.inc(lost - self._lines_counted)
        self._lines_counted = lost
        self._log_failing.set(writer.problem() is not None)
        if shared_values.problem() is not None:
            shared_values.heal()

    def collector(self) -> Collector:
        """Return the metrics to scrape: the counts of this server's processes, dead ones included."""
        return shared_values.Shared() if self._is_shared else self._own

    def _meters_of(self, route: str | None, method: str, code: int) -> tuple[Counter, Histogram]:
        """Look up the meters once. Unknown methods share one label: clients could invent any number of them."""
        label = method if method in METHODS else "other"
        pair = self._requests.labels(route or UNMATCHED, label, str(code)), self._durations.labels(route or UNMATCHED)
        if label == method:
            self._by_request[route, method, code] = pair
        return pair


def meters() -> Meters:
    """Return the meters of this process. Its threads share them: two sets would write over each other's counts."""
    return _Made.meters or _make()


class _Made:
    meters: Meters | None = None
    lock = threading.Lock()


def _make() -> Meters:
    with _Made.lock:
        _Made.meters = _Made.meters or Meters()
    return _Made.meters


def watch(pool: Pool, *, max_overflow: int) -> None:
    """Note the use of *pool* and the state of the log every second from now on.

    To be called in the process that serves, after any fork.
    """

    def note() -> None:
        meters().pool(pool, max_overflow=max_overflow)
        meters().log()

    note()
    periodic.repeat("watch", note, seconds=POOL_SECONDS)
