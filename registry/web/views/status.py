"""The status page: health checks, workers, and waiting work."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from flask import Response, request

from registry.db import times
from registry.domain.access import Permission
from registry.domain.errors import Unavailable
from registry.http.access import require_surely, requires
from registry.http.context import current_request, pin, settings, store, upstreams
from registry.services.monitoring import diagnosis, health, overview
from registry.services.monitoring.overview import Overview
from registry.web import environment
from registry.web.addresses import command
from registry.web.blueprint import blueprint
from registry.web.pages import WebPage
from registry.web.rendering import page
from registry.web.text import health_words, words
from registry.web.text.health_words import HealthLine

OLD_SECONDS = 900  # counts of workers, which count every five minutes


class StatusPage(WebPage):
    """The state of the registry when the page was requested."""

    template = "status.html"
    title = "Status"

    def __init__(self) -> None:
        self.at = times.now()
        self.command = command("registry", "doctor")
        self.may_examine = environment.may(Permission.TOKEN_MANAGE)
        self.is_examined = self.may_examine and bool(request.args.get("examine"))
        if self.is_examined:  # the rest is shown to remembered sessions, also while the database does not answer
            require_surely(current_request(), Permission.TOKEN_MANAGE)
        self.readiness = health.readiness(store(), pin(), seconds=settings().probe_seconds)

    @property
    def state(self) -> str:
        """Return ``ready``, ``degraded`` or ``not ready``."""
        return health.state_of(self.readiness)

    @property
    def checks(self) -> Sequence[HealthLine]:
        """Return the readiness checks as sentences; on request, also those for operators."""
        checks = self.readiness
        if self.is_examined:
            checks = health.further(checks, store(), upstreams())
        return list(health_words.lines(diagnosis.advised(checks)))

    @cached_property
    def overview(self) -> Overview | None:
        """Return the state of the background work; None when the database does not answer in time."""
        try:
            return overview.look(seconds=settings().probe_seconds)
        except Unavailable:
            return None

    @property
    def is_idle(self) -> bool:
        """Return whether no worker is alive."""
        return self.overview is not None and not any(worker.alive for worker in self.overview.workers)

    @property
    def counts_are_old(self) -> bool:
        """Return whether the counts are older than they would be with a running worker."""
        seen = self.overview
        return bool(seen and seen.counted_at and (seen.at - seen.counted_at).total_seconds() > OLD_SECONDS)

    @property
    def counts(self) -> Sequence[tuple[str, str]]:
        """Return the counts of the workers, by name."""
        counts = self.overview.counts if self.overview else {}
        return [
            (f"{name.replace('_', ' ')} {label}".strip(), words.size(value) if name == "blob_bytes" else f"{value:,}")
            for (name, label), value in sorted(counts.items())
        ]


@blueprint.get("/status")
@requires(Permission.MODEL_READ)
def status() -> Response:
    return page(StatusPage())
