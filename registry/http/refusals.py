"""Note what was refused to whom, for the record of refusals."""

from __future__ import annotations

import atexit
from contextlib import suppress
from typing import Any

from flask import Flask, current_app, g, request

from registry.db import times
from registry.domain.errors import Forbidden, RegistryError, Unavailable
from registry.http import access
from registry.http.context import EXTENSION, Adapters, adapters
from registry.services.usage.hourly_counts import FLUSH_SECONDS, HourlyCounts
from registry.services.usage.refusals import RECORDED
from registry.telemetry import periodic


def note(error: RegistryError) -> None:
    """Count the refusal when it is of a kind that is recorded; writes nothing yet."""
    if not isinstance(error, RECORDED) or request.endpoint is None:
        return
    action = str(access.permission_of(current_app.view_functions[request.endpoint]))
    if isinstance(error, Forbidden):
        action = str(error.extras["permission"])  # a view may need more than it declares
    actor = g.get("actor")
    adapters().refusals.add(
        at=times.now(),
        actor=actor.id if actor else None,
        address=request.remote_addr or "",
        action=action,
        code=error.code,
    )


def watch(app: Flask) -> None:
    """Write counts of refusals and downloads down, every few seconds and at exit.

    Call in the process that serves, after any fork.
    """
    app_adapters: Adapters = app.extensions[EXTENSION]

    def flush() -> None:
        for counts in (app_adapters.refusals, app_adapters.downloads):
            _flush(app, counts)

    periodic.repeat("counts", flush, seconds=FLUSH_SECONDS)
    for counts in (app_adapters.refusals, app_adapters.downloads):
        atexit.register(_flush, app, counts)


def _flush(app: Flask, counts: HourlyCounts[Any]) -> None:
    with suppress(Unavailable), app.app_context():  # it is tried again, and the session has logged why
        counts.flush()
