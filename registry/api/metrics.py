"""Numbers for Prometheus: what this server's processes have counted, and what the database says at this moment."""

from __future__ import annotations

import hmac
import platform
import threading
import time
from collections.abc import Iterable
from importlib.metadata import version

from flask import Blueprint, Response, current_app, request
from flask.blueprints import BlueprintSetupState
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from registry.config import Secret
from registry.domain.errors import Unauthenticated, Unavailable
from registry.http.access import public
from registry.http.context import settings, store
from registry.services import gauges, health
from registry.services.gauges import Gauge
from registry.storage.checked import Store
from registry.telemetry import processes, shared_values
from registry.telemetry.meters import meters

blueprint = Blueprint("metrics", __name__)
CACHE = "model-registry-metrics"


class _Database(Collector):
    """Nothing but the fact, when the database does not answer: the other numbers are needed most then."""

    def collect(self) -> Iterable[Metric]:
        try:
            found, reachable = gauges.look(), 1
        except Unavailable:
            found, reachable = [], 0
        yield GaugeMetricFamily("registry_database_reachable", "1 when the database told its numbers.", value=reachable)
        yield from map(_family, found)


class _Store(Collector):
    def __init__(self, store: Store) -> None:
        self.store = store

    def collect(self) -> Iterable[Metric]:
        reachable = float(health.store_answers(self.store))
        yield GaugeMetricFamily("registry_store_reachable", "1 when the store answers this replica.", value=reachable)


class _Process(Collector):
    def collect(self) -> Iterable[Metric]:
        build = GaugeMetricFamily("registry_build_info", "What is running.", labels=["version", "python"])
        build.add_metric([version("model-registry"), platform.python_version()], 1)
        yield build
        yield GaugeMetricFamily(
            "registry_metrics_incomplete", "1 when counts of the process that answers are missing: no room for them.",
            value=float(shared_values.problem() is not None),
        )  # fmt: skip
        yield GaugeMetricFamily("registry_draining", "1 from SIGTERM to the end.", value=float(processes.draining()))


class _Cache:
    """The text of the latest scrape. One thread makes the next one; others get the one before meanwhile."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._text: bytes | None = None
        self._made_at = 0.0

    def get(self, seconds: float) -> bytes:
        """Return a text that is not older than *seconds*, or the latest one while another thread makes a new one."""
        if self._is_fresh(seconds) or not self._lock.acquire(blocking=self._text is None):
            return self._text or b""
        try:
            if not self._is_fresh(seconds):
                self._text, self._made_at = _render(), time.monotonic()
            return self._text or b""
        finally:
            self._lock.release()

    def _is_fresh(self, seconds: float) -> bool:
        return self._text is not None and time.monotonic() - self._made_at < seconds


@blueprint.record_once
def _remember(state: BlueprintSetupState) -> None:
    state.app.extensions[CACHE] = _Cache()


@blueprint.get("/metrics")
@public("numbers without names, for the monitor of the same network; REGISTRY_METRICS_TOKEN asks for a token")
def metrics() -> Response:
    """Return what was counted and how much there is, in Prometheus' text format."""
    token = settings().metrics_token
    if token is not None and not _has(token):
        raise Unauthenticated("this needs an Authorization header: Bearer, and the token in REGISTRY_METRICS_TOKEN")
    cache: _Cache = current_app.extensions[CACHE]
    return Response(cache.get(settings().metrics_cache_seconds), content_type=CONTENT_TYPE_LATEST)


def _has(token: Secret) -> bool:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    known = hmac.compare_digest(given.strip().encode(errors="replace"), token.reveal().encode())
    return known and scheme.lower() == "bearer"


def _render() -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    for collector in (meters().collector(), _Process(), _Database(), _Store(store())):
        registry.register(collector)
    return generate_latest(registry)


def _family(gauge: Gauge) -> Metric:
    family = (CounterMetricFamily if gauge.total else GaugeMetricFamily)(
        gauge.name, gauge.help, labels=[gauge.label] if gauge.label else None
    )
    for value, number in gauge.values.items():
        family.add_metric([value] if gauge.label else [], number)
    return family
