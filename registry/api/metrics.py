"""Metrics for Prometheus: counts of this server's processes, and gauges from the database."""

from __future__ import annotations

import functools
import hmac
import platform
from collections.abc import Iterable
from importlib.metadata import version

from flask import Blueprint, Flask, Response, current_app, request
from flask.blueprints import BlueprintSetupState
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from registry.config import Secret
from registry.domain.errors import Unauthenticated, Unavailable
from registry.http.access import public
from registry.http.context import EXTENSION, Adapters, pin, settings, store
from registry.services.monitoring import gauges, health, log_health
from registry.services.monitoring.gauges import Gauge
from registry.services.sealed_log.pins import Pin
from registry.storage.checked import Store
from registry.telemetry import periodic, processes, shared_values
from registry.telemetry.latest_text import LatestText
from registry.telemetry.meters import meters

blueprint = Blueprint("metrics", __name__)
CACHE = "model-registry-metrics"
WATCH_SECONDS = 1.0


class _DatabaseCollector(Collector):
    """Nothing but the fact, when the database does not answer: the other numbers are needed most then."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def collect(self) -> Iterable[Metric]:
        try:
            readings, reachable = gauges.look(seconds=self.seconds), 1
        except Unavailable:
            readings, reachable = [], 0
        yield GaugeMetricFamily(
            "registry_database_reachable", "1 when the database returned its numbers.", value=reachable
        )
        yield from map(_family, readings)


class _Store(Collector):
    def __init__(self, store: Store, seconds: float) -> None:
        self.store, self.seconds = store, seconds

    def collect(self) -> Iterable[Metric]:
        reachable = float(health.store_answers(self.store, seconds=self.seconds))
        yield GaugeMetricFamily("registry_store_reachable", "1 when the store answers this replica.", value=reachable)


class _AuditLog(Collector):
    def __init__(self, pin: Pin, seconds: float) -> None:
        self.pin, self.seconds = pin, seconds

    def collect(self) -> Iterable[Metric]:
        forked = log_health.is_forked(self.pin, seconds=self.seconds)
        family = GaugeMetricFamily(
            "registry_audit_forked", "1 when the audit log does not continue what was published; none: not known.",
            labels=[],
        )  # fmt: skip
        if forked is not None:
            family.add_metric([], float(forked))
        yield family


class _Process(Collector):
    def collect(self) -> Iterable[Metric]:
        build = GaugeMetricFamily("registry_build_info", "What is running.", labels=["version", "python"])
        build.add_metric([_package_version(), platform.python_version()], 1)
        yield build
        yield GaugeMetricFamily(
            "registry_metrics_incomplete",
            "1 when counts are missing: no room for those of the process that answers, or a file that cannot be read.",
            value=float(shared_values.problem() is not None or shared_values.unreadable() is not None),
        )  # fmt: skip
        yield GaugeMetricFamily("registry_draining", "1 from SIGTERM to the end.", value=float(processes.draining()))


@functools.cache
def _package_version() -> str:
    return version("model-registry")  # reads and parses a file


@blueprint.record_once
def _remember(state: BlueprintSetupState) -> None:
    state.app.extensions[CACHE] = LatestText(_render)


def watch(app: Flask) -> None:
    """Render the metrics in the background, before each scrape. Call in the process that serves."""
    latest: LatestText = app.extensions[CACHE]
    adapters: Adapters = app.extensions[EXTENSION]
    seconds = adapters.settings.metrics_cache_seconds

    def renew() -> None:
        with app.app_context():
            latest.renew_early(seconds)

    periodic.repeat("metrics", renew, seconds=WATCH_SECONDS)


@blueprint.get("/metrics")
@public("numbers without names, for the monitor of the same network; REGISTRY_METRICS_TOKEN requires a token")
def metrics() -> Response:
    """Return what was counted and how much there is, in Prometheus' text format.

    Without a token the numbers are for direct requests: a proxy in front serves other networks.
    """
    token = settings().metrics_token
    if token is None and settings().trusted_proxies and "X-Forwarded-For" in request.headers:
        raise Unauthenticated("through a proxy this needs a token: set REGISTRY_METRICS_TOKEN, or scrape each replica")
    if token is not None and not _has(token):
        raise Unauthenticated("this needs an Authorization header: Bearer, and the token in REGISTRY_METRICS_TOKEN")
    latest: LatestText = current_app.extensions[CACHE]
    return Response(latest.get(settings().metrics_cache_seconds), content_type=CONTENT_TYPE_LATEST)


def _has(token: Secret) -> bool:
    scheme, _, credential = request.headers.get("Authorization", "").partition(" ")
    known = hmac.compare_digest(credential.strip().encode(errors="replace"), token.reveal().encode())
    return known and scheme.lower() == "bearer"


def _render() -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    seconds = settings().probe_seconds
    outside = _DatabaseCollector(seconds), _Store(store(), seconds), _AuditLog(pin(), seconds)
    # The counts come first: what cannot be read of them is a fact of the process.
    for collector in (meters().collector(), _Process(), *outside):
        registry.register(collector)
    return generate_latest(registry)


def _family(gauge: Gauge) -> Metric:
    family = (CounterMetricFamily if gauge.total else GaugeMetricFamily)(
        gauge.name, gauge.help, labels=[gauge.label] if gauge.label else None
    )
    for value, number in gauge.values.items():
        family.add_metric([value] if gauge.label else [], number)
    return family
