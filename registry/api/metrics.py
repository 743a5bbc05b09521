"""Numbers for Prometheus: what this server's processes have counted, and what the database says at this moment."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from importlib.metadata import version

from flask import Blueprint, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from registry.domain.errors import Unavailable
from registry.http.access import public
from registry.http.context import store
from registry.services import gauges, health
from registry.services.gauges import Gauge
from registry.storage.checked import Store
from registry.telemetry import processes, shared_values
from registry.telemetry.meters import meters

blueprint = Blueprint("metrics", __name__)


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


@blueprint.get("/metrics")
@public("numbers without names, for the monitor of the same network")
def metrics() -> Response:
    """What was counted and how much there is, in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    for collector in (meters().collector(), _Process(), _Database(), _Store(store())):
        registry.register(collector)
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _family(gauge: Gauge) -> Metric:
    family = (CounterMetricFamily if gauge.total else GaugeMetricFamily)(
        gauge.name, gauge.help, labels=[gauge.label] if gauge.label else None
    )
    for value, number in gauge.values.items():
        family.add_metric([value] if gauge.label else [], number)
    return family
