"""Reads from the replica, and the position of the database that lets a client read what it has written.

A write returns the position of the database after it. A client that sends it with later reads gets answers that show at
least that. The token of a request is always looked up in the primary: a revoked one must be refused at once.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, current_app, g

from registry.db import replica_reads
from registry.db.session import written_position
from registry.http.access import WRITES, View
from registry.http.context import current_request, settings
from registry.rules.database_positions import HEADER, parsed

_REPLICABLE = "__replicable__"
_PAST = "as_of"


def replicable(view: View) -> View:
    """Let the view, which changes and decides nothing, read from the replica."""
    setattr(view, _REPLICABLE, True)
    return view


def is_replicable(view: Callable[..., Any] | None) -> bool:
    """Return whether the view may read from the replica."""
    return hasattr(view, _REPLICABLE)


def register(app: Flask) -> None:
    """Let reads of *app* go to its replica, and return positions with writes."""
    app.before_request(_choose)
    app.after_request(_return_position)


def _choose() -> None:
    """After the gates: choose the database for the reads of the request."""
    request = current_request()
    if not is_replicable(current_app.view_functions.get(request.endpoint or "")):
        return
    if _PAST in request.args:
        return  # an answer about the past stays true: a replica may lack the end of a tenure before that instant
    if (request.blueprint or "").startswith("mlflow") and not settings().database_replica_mlflow:
        return  # its clients send no position
    position = parsed(request.headers.get(HEADER, "0/0"))
    if position is not None:
        replica_reads.choose(position)


def _return_position(response: Response) -> Response:
    """Add the position to the response of a write, also of one that changed nothing or was refused.

    The client has learnt a state of the primary from it that a replica may not have yet.
    """
    request = current_request()
    if request.method not in WRITES or "actor" not in g or response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return response
    is_read = is_replicable(current_app.view_functions.get(request.endpoint or ""))
    if not is_read and (position := written_position()) is not None:
        response.headers[HEADER] = position
    return response
