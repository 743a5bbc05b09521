"""Numbers for Prometheus, read from the database at each scrape."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Blueprint, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from registry.http.access import public
from registry.services import gauges

blueprint = Blueprint("metrics", __name__)


class _Counted(Collector):
    def collect(self) -> Iterable[Metric]:
        for gauge in gauges.read():
            family = GaugeMetricFamily(gauge.name, gauge.help, labels=[gauge.label] if gauge.label else None)
            for value, number in gauge.values.items():
                family.add_metric([value] if gauge.label else [], number)
            yield family


@blueprint.get("/metrics")
@public("numbers without names, for the monitor of the same network")
def metrics() -> Response:
    """How many there are of what, in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Counted())
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
