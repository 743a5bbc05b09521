"""CSV files as responses, sent while they are read."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from flask import Response, stream_with_context

from registry.rules.csv_cells import cell

_ROWS_AT_ONCE = 100


def csv_file(name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Response:
    """Return a response with a CSV file of this name, in UTF-8; *rows* are read while it is sent."""
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    text = stream_with_context(_csv_text(columns, rows))
    return Response(text, content_type="text/csv; charset=utf-8", headers=headers)


def _csv_text(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(columns)
    for number, row in enumerate(rows, 1):
        writer.writerow([cell(value) for value in row])
        if number % _ROWS_AT_ONCE == 0:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()
