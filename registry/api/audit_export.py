"""Exports of the audit log as files: JSON lines and CSV, with a header that says what the file has."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from registry.api.schemas.audit import AuditEntryView
from registry.db import times
from registry.db.records import EntryRecord
from registry.domain import clock
from registry.rules import csv_cells
from registry.rules.audit_log.checkpoints import read_checkpoint
from registry.rules.audit_log.notes import encode64
from registry.services.audit import Criteria
from registry.services.sealed_log import LogState

COLUMNS = ("at", "action", "actor", "model", "version", "related_version", "token", "reason", "texts", "before",
           "after", "digests", "id", "request_id", "aggregate", "seq", "previous_hash", "leaf_hash",
           "body", "client_request_id", "credential", "issuer", "redacted", "position")  # fmt: skip
WHOLE = (
    "Each matching entry once, oldest first. All with a position below `sealed` are here; the others as far as they "
    "were committed when their part of the file was written."
)
PART = "Each matching entry after `after` with a position below `sealed` once, in the order of positions."
Header = Mapping[str, Any]


def header(criteria: Criteria, log: LogState, *, after: str | None, sealed: int) -> Header:
    """Return the members of an export's header.

    *log* is its state before the entries are read, and *sealed* the number of positions of which none is missing in
    the file. *after* is that of the request.
    """
    asked = {field.name: getattr(criteria, field.name) for field in dataclasses.fields(criteria)}
    return {
        "at": clock.wire(times.now()),
        "filter": {name: _wire(value) for name, value in asked.items() if value is not None},
        "after": after,
        "counts": WHOLE if after is None else PART,
        "sealed": sealed,
        "checkpoint": None if log.note is None else _checkpoint(log.note),
    }


def json_lines(entries: Iterable[EntryRecord], head: Header | None) -> Iterator[str]:
    """Yield the lines of a file in JSON lines: the header, if there is one, then an entry a line."""
    view = AuditEntryView()
    if head is not None:
        yield json.dumps({"export": head}) + "\n"
    for entry in entries:
        yield json.dumps(view.dump(entry)) + "\n"


def csv_lines(entries: Iterable[EntryRecord], head: Header | None) -> Iterator[str]:
    """Yield the lines of a CSV file: each member of the header as a comment, then the columns and the entries."""
    view = AuditEntryView()
    for name, value in (head or {}).items():
        yield csv_cells.comment({name: value})
    yield from csv_cells.lines(COLUMNS, (_flattened(view.dump(entry)) for entry in entries))


WRITERS = {"jsonl": (json_lines, "application/x-ndjson"), "csv": (csv_lines, "text/csv; charset=utf-8")}


def _checkpoint(note: str) -> dict[str, Any]:
    checkpoint = read_checkpoint(note.encode())
    root = encode64(checkpoint.root)
    return {"origin": checkpoint.origin, "size": checkpoint.size, "root": root, "note": note}


def _wire(value: Any) -> Any:
    return clock.wire(value) if isinstance(value, datetime) else value


def _flattened(document: dict[str, Any]) -> dict[str, Any]:
    actor = document["actor"]
    return document | {"actor": actor["name"], "credential": actor["credential"], "issuer": actor["issuer"]}
