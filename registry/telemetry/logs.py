"""Logs: one structured line an event on standard error, with what it concerns: request, actor, model, version."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, TextIO

import structlog
from flask import g, has_request_context, request

ACCESS = "registry.access"
# What a line may say it concerns, of the arguments of a route and of an audit entry's subject. Never a token.
CONCERNS = ("model", "version", "related_version", "alias", "stage", "import_id", "upload")
NAMES = {"name": "model", "number": "version", "model_name": "model", "import_id": "import"}


def configure(log_format: str, level: str) -> None:
    """Send our lines and those of the libraries through one handler, as JSON or for a person's eyes."""
    final: list[Any] = (
        [structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer()]
        if log_format == "json"
        else [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=SHARED, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *final]
    )
    handler = logging.StreamHandler(sys.stderr)
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
    _Access.stream = sys.stderr if log_format == "json" else None


def concerning(subject: Mapping[str, Any]) -> None:
    """Let the lines that follow in this request, or in this piece of a worker's work, say what they concern.

    What was said first stays: a promotion concerns the version that moves, and then also the one that it displaces.
    """
    if "model" in structlog.contextvars.get_contextvars():
        return
    told = {NAMES.get(name, name): subject[name] for name in CONCERNS if subject.get(name) is not None}
    structlog.contextvars.bind_contextvars(**told)


def of_request() -> dict[str, Any]:
    """What a line of the current request says of it."""
    told: dict[str, Any] = {}
    if request_id := g.get("request_id"):
        told["request_id"] = request_id
    if trace_id := g.get("trace_id"):
        told["trace_id"] = trace_id
    if (actor := g.get("actor")) is not None:
        told["actor"] = actor.name
    for name, value in (request.view_args or {}).items():
        known = NAMES.get(name, name)
        if known in CONCERNS or known == "import":
            told[known] = value if isinstance(value, int) else str(value)
    return told


class _Access:
    """Where the line of each request goes at once; without a stream it takes the way of all others."""

    stream: TextIO | None = None
    log = logging.getLogger(ACCESS)


def access(facts: dict[str, Any]) -> None:
    """Log the end of a request. It is most of what is logged, so it is written in the shortest way."""
    stream = _Access.stream
    if stream is None:
        structlog.get_logger(ACCESS).info("request", **facts)
        return
    if not _Access.log.isEnabledFor(logging.INFO):
        return
    moment = datetime.now(UTC).isoformat(timespec="microseconds").removesuffix("+00:00")
    line = {**facts, **structlog.contextvars.get_contextvars(), **of_request(),
            "event": "request", "level": "info", "logger": ACCESS, "timestamp": f"{moment}Z"}  # fmt: skip
    with suppress(OSError, ValueError):  # nobody reads our lines any more; requests are answered all the same
        stream.write(json.dumps(line, default=str) + "\n")


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
