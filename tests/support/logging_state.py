"""Logging as pytest has it, after a command or a server has run in the process of the tests."""

from __future__ import annotations

import logging

import structlog

from registry.telemetry import logs
from registry.telemetry.line_writer import LineHandler, writer

WRITTEN_SECONDS = 30.0


def restore() -> None:
    """Undo what ``logs.configure`` did, once its lines are written: later ones would be in no test's output."""
    others = [handler for handler in logging.root.handlers if not isinstance(handler, LineHandler)]
    if len(others) == len(logging.root.handlers):
        return
    assert writer.flush(WRITTEN_SECONDS)
    logs.configure("console", "warning")  # requests have a shorter way as JSON, without the handler
    logging.root.handlers = others
    structlog.reset_defaults()
