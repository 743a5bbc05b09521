"""Import of a source from a tracking server while its client waits.

A client reads a pending version every three seconds, though most imports take a fraction of one. Nothing is
registered before the files are here: a client that disconnects and repeats its request makes one version.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from registry.domain.access import Actor
from registry.domain.errors import BlobsMissing, Invalid, RegistryError, Unavailable
from registry.domain.registrations import Registration
from registry.http.context import client_is_gone, places, settings, sources, store, upstreams, yielding
from registry.services.imports import upstream
from registry.services.imports.copy import Beyond, Job
from registry.services.imports.inline import Place
from registry.storage.sources import Refused
from registry.telemetry.meters import meters

log = structlog.get_logger(__name__)
LISTED = 100  # paths of what was left out


@dataclass(frozen=True, slots=True)
class Arrived:
    """The files, as a registration; None where a worker is to fetch them. ``run_id`` is None where it is not known."""

    run_id: str | None = None
    wanted: Registration | None = None


def wait_for(source: str, facts: Mapping[str, Any], *, actor: Actor) -> Arrived:
    """Fetch what one of the tracking servers has at *source*, as much as is possible while a request waits.

    Raises NotFound, Conflict or Invalid where no version can come of it, or Unavailable for a client that is gone.
    """
    if facts["kind"] != upstream.TRACKING:
        return Arrived()
    place = places().enter()
    if place is None:
        _count("busy")
        return Arrived()
    with place, yielding():
        record = _fetch(place, source, facts, actor)
    if client_is_gone():
        raise Unavailable("the client has closed its connection; nothing was registered")
    return record


def _fetch(place: Place, source: str, facts: Mapping[str, Any], actor: Actor) -> Arrived:
    run_id: str | None = None
    job = Job(source, facts, store(), requester=actor, allow_secrets=settings().allow_secrets, bounds=place.bounds)
    asked, allowed = upstreams(), sources()

    def look_and_fetch() -> Registration:
        nonlocal run_id  # known also where the files are not fetched in time
        known = upstream.look(source, facts, upstreams=asked, sources=allowed)
        run_id = known.run_id if known else None
        return upstream.fetch(job, known, allowed)

    try:
        registration = place.result("tracking server", look_and_fetch)
    except Refused as refusal:
        _count("refused")
        raise Invalid.whole(refusal.detail) from refusal
    except Beyond:
        _count("timeout" if place.is_over else "too_large")
        log.info("left_to_worker", source=source, reason="too large, or it takes too long")
    except (Unavailable, BlobsMissing) as error:  # missing: the collector was faster
        _count("timeout" if place.is_over else "unavailable")
        log.info("left_to_worker", source=source, reason=error.detail)
    except RegistryError:
        _count("refused")
        raise
    except Exception:
        _count("failed")
        log.exception("left_to_worker", source=source)
    else:
        _count("fetched")
        log.info("fetched", source=source, files=job.files, bytes=job.bytes, ignored=list(job.ignored)[:LISTED])
        return Arrived(run_id, registration)
    return Arrived(run_id)


def _count(outcome: str) -> None:
    """Count how a request's wait for its files has ended."""
    meters().inline_imports.labels(outcome).inc()
