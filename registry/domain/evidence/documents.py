"""Facts and entries as files: JSON lines for programs, CSV for people."""

from __future__ import annotations

import csv
import io
import json
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from typing import Any

from registry.domain.evidence.acts import Act
from registry.domain.evidence.facts import document
from registry.rules.csv_cells import cell

_ACT = ("at", "by", "account", "roles", "reason", "entry")
HISTORY = ("position", "at", "action", "actor", "account", "token", "model", "version", "related_version", "before",
           "after", "reason", "redacted", "entry")  # fmt: skip
HistoryLine = tuple[int, Mapping[str, Any], Mapping[str, str | None], str | None]
"""The position of an entry, its document, its texts, and the name of its actor."""
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode


def json_lines(facts: Iterable[Any]) -> Iterator[bytes]:
    """Yield one line for each fact."""
    for one in facts:
        yield _encode(document(one)).encode() + b"\n"


def json_document(value: Any) -> bytes:
    """Return a document for people and programs: indented, with sorted names."""
    return json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True).encode() + b"\n"


def table(kind: type, facts: Iterable[Any]) -> Iterator[bytes]:
    """Yield a CSV file with a line for each fact; an act takes several columns."""
    acts = {name for name, hint in typing.get_type_hints(kind).items() if _is_act(hint)}
    names = [field.name for field in fields(kind)]
    header = [column for name in names for column in ([f"{name}_{part}" for part in _ACT] if name in acts else [name])]
    yield from csv_lines(header, (_cells(one, names, acts) for one in facts))


def history(entries: Iterable[HistoryLine]) -> Iterator[bytes]:
    """Yield a CSV file with a line for each entry."""
    yield from csv_lines(HISTORY, (_history_cells(*one) for one in entries))


def csv_lines(header: Iterable[str], rows: Iterable[Iterable[Any]]) -> Iterator[bytes]:
    """Yield the lines of a CSV file; no program executes its cells."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(header)
    for row in rows:
        yield _taken(buffer)
        writer.writerow([_plain_cell(value) for value in row])
    yield _taken(buffer)


def _is_act(hint: Any) -> bool:
    return hint is Act or (isinstance(hint, types.UnionType) and Act in typing.get_args(hint))


def _cells(fact: Any, names: Iterable[str], acts: set[str]) -> Iterator[Any]:
    for name in names:
        value = getattr(fact, name)
        if name not in acts:
            yield document(value)
        elif value is None:
            yield from [None] * len(_ACT)
        else:
            yield from (value.at, value.name, value.account, document(value.roles), value.reason, value.entry)


def _history_cells(
    position: int, entry: Mapping[str, Any], texts: Mapping[str, str | None], name: str | None
) -> Iterator[Any]:
    subject, actor = entry["subject"], entry["actor"]
    yield from (position, entry["ts"], entry["action"], name, actor["id"], actor["cred"], subject.get("model"))
    yield from (subject.get("version"), subject.get("related_version"), entry["before"], entry["after"])
    yield from (texts.get("reason"), sorted(name for name, text in texts.items() if text is None), entry["id"])


def _plain_cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return cell(dict(value) if isinstance(value, Mapping) else value)


def _taken(buffer: io.StringIO) -> bytes:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text.encode()
