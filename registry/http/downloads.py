"""Note who got the address or the bytes of which version, for the record of downloads."""

from __future__ import annotations

from flask import request

from registry.db import times
from registry.http.context import adapters, current_actor
from registry.services.usage.downloads import Way
from registry.telemetry.meters import meters


def note(model: str, number: int, way: Way) -> None:
    """Count a request for bytes that is answered; writes nothing yet."""
    meters().downloads.labels(way.value).inc()
    adapters().downloads.add(
        at=times.now(),
        actor=current_actor().id,
        address=request.remote_addr or "",
        model=model,
        number=number,
        way=way,
    )
