"""Cells of CSV files that spreadsheets and terminals do not execute.

A spreadsheet may split a file at other characters than commas: then a formula inside a cell begins a cell.
So an apostrophe stands before each character that begins a formula, at the start of a text and after a separator.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from registry.rules.text import escape

_FORMULA = "=+@\uff1d\uff0b\uff0d\uff20-"
# At the start, spaces do not help: some spreadsheets trim them. A comma is no separator here: it makes a cell quoted.
_STARTS = re.compile(rf"\A\s*[{_FORMULA}]|\A[\t\r\n]")
_FOLLOWS = re.compile(rf"([;\t|\n\u2028\u2029]\s*)(?=[{_FORMULA}])")
_COMMA = re.compile(rf",(?=\s*[{_FORMULA}])")  # inside a text: what JSON separates begins with none of these
_CONTROLS = re.compile(r"[^\t\n -~\xa0-\uffff\U00010000-\U0010ffff]")
_ESCAPED = {";": "\\u003b", "|": "\\u007c", "\x7f": "\\u007f"}


def comment(document: dict[str, Any]) -> str:
    """Return a line with a document as JSON, for the beginning of a CSV file. No part of it begins with a formula."""
    text = _COMMA.sub(r"\\u002c", cell(document))
    return f"# {text}\r\n"


def cell(value: Any) -> Any:
    """Return *value* as the writer of a CSV file takes it; a document as JSON, which reads the same."""
    if isinstance(value, dict | list):
        text = json.dumps(value, sort_keys=True)
        return re.sub("[;|\x7f]", lambda match: _ESCAPED[match[0]], text)
    if not isinstance(value, str):
        return value
    text = _CONTROLS.sub(lambda match: escape(match[0]), value)
    return ("'" if _STARTS.search(value) else "") + _FOLLOWS.sub(r"\1'", text)


def lines(columns: Sequence[str], documents: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the lines of a CSV file: the names of the columns, then a line for each document."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(columns)
    for document in documents:
        writer.writerow([cell(document[column]) for column in columns])
        yield _taken(buffer)
    yield _taken(buffer)


def _taken(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text
