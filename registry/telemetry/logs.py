"""Logs: one structured line an event on standard error, with what it concerns: request, actor, model, version."""

from __future__ import annotations

import io
import json
import logging
import os
from collections.abc import Iterable, Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any

import structlog
from flask import g, has_request_context, request

from registry.rules.text import escape
from registry.telemetry import scrubbing
from registry.telemetry.line_writer import STANDARD_ERROR, LineHandler, writer

ACCESS = "registry.access"
# Fields of a log line, from the arguments of a route and the subject of an audit entry. Never a token.
CONCERNS = ("model", "version", "related_version", "alias", "stage", "import_id", "upload")
_IDS = ("request_id", "client_request_id", "trace_id")
NAMES = {"name": "model", "number": "version", "model_name": "model", "import_id": "import"}


def configure(log_format: str, level: str, *, secrets: Iterable[str] = ()) -> None:
    """Send our lines and those of the libraries through one handler, as JSON or for a person's eyes.

    No line has the *secrets*, the values of local variables, or what has the form of a credential.
    """
    scrubbing.protect(secrets)
    final: list[Any] = (
        [structlog.processors.ExceptionRenderer(_TRACEBACK), _scrub, structlog.processors.JSONRenderer()]
        if log_format == "json"
        else [
            structlog.processors.ExceptionRenderer(_plain_traceback),
            _scrub,
            _escape,
            structlog.dev.ConsoleRenderer(colors=os.isatty(STANDARD_ERROR)),
        ]
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=SHARED, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *final]
    )
    handler = LineHandler()
    handler.setFormatter(formatter)
    logging.root.handlers = [handler]
    logging.root.setLevel(level.upper())
    for noisy in ("botocore", "boto3", "urllib3", "alembic", "s3transfer"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    _Access.is_direct = log_format == "json"


def concerning(subject: Mapping[str, Any]) -> None:
    """Add the subject to the following log lines of this request, or of this piece of a worker's work.

    The first values stay: a promotion concerns the version that moves, and then also the one that it displaces.
    """
    if "model" in structlog.contextvars.get_contextvars():
        return
    fields = {NAMES.get(name, name): subject[name] for name in CONCERNS if subject.get(name) is not None}
    structlog.contextvars.bind_contextvars(**fields)


def of_request() -> dict[str, Any]:
    """Return the fields of a log line about the current request."""
    context = g._get_current_object().__dict__  # once, where each use would cost
    fields: dict[str, Any] = {name: context[name] for name in _IDS if name in context}
    if (actor := context.get("actor")) is not None:
        fields["actor"] = actor.name
    for name, value in (request.view_args or {}).items():
        known = NAMES.get(name, name)
        if known in CONCERNS or known == "import":
            fields[known] = value if isinstance(value, int) else str(value)
    return fields


_encode = json.JSONEncoder(default=str).encode


class _Access:
    """Switch for the line of each request: rendered here, or passed to the common pipeline."""

    is_direct = False
    log = logging.getLogger(ACCESS)


def access(facts: dict[str, Any]) -> None:
    """Log the end of a request. It is most of what is logged, so it is written in the shortest way."""
    if not _Access.is_direct:
        structlog.get_logger(ACCESS).info("request", **facts)
        return
    if not _Access.log.isEnabledFor(logging.INFO):
        return
    moment = datetime.now(UTC).isoformat(timespec="microseconds").removesuffix("+00:00")
    line = {**facts, **structlog.contextvars.get_contextvars(), **of_request(),
            "event": "request", "level": "info", "logger": ACCESS, "timestamp": f"{moment}Z"}  # fmt: skip
    writer.put(scrubbing.scrub_line(_encode(line)))


def _escape(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Escape what a terminal would obey in the texts of a line, which clients choose; keep a traceback's lines."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = "\n".join(map(escape, value.split("\n"))) if name == "exception" else escape(value)
    return event


def _add_request(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if has_request_context():
        for name, value in of_request().items():
            event.setdefault(name, value)
    return event


SHARED: tuple[Any, ...] = (
    structlog.contextvars.merge_contextvars,
    _add_request,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)


def _scrub(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {name: scrubbing.scrub_value(value) for name, value in event.items()}


def _plain_traceback(exc_info: Any) -> str:
    text = io.StringIO()
    structlog.dev.plain_traceback(text, exc_info)
    return text.getvalue()


# structlog's default renders the locals of every frame: tokens, bodies, keys.
_TRACEBACK = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
