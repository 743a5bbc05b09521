"""Rows of the table of versions as markup, kept with the rendered items of pages.

A row depends on the version alone: what depends on the request, on the present or on the other rows is filled in by the
table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import orjson
from flask import current_app
from markupsafe import Markup
from orjson import Fragment

from registry.db.item_cache import Rendering
from registry.db.records import LineageRecord
from registry.http import strict_json
from registry.rules.references import Reference
from registry.web.addresses import url_for
from registry.web.text import words

FIELDS = frozenset({
    "number", "state", "stage", "rolled_back", "damaged", "manifest_digest", "aliases", "metrics", "lineage",
    "created_at", "created_by",
})  # fmt: skip


class VersionRow(NamedTuple):
    """The markup before the metrics and after them, which ends within the element of the time of registration."""

    start: Markup
    metrics: Mapping[str, str]
    end: Markup
    created_at: datetime
    created_by: str


def rendering(model: str) -> Rendering:
    """Return how the versions of *model* are rendered, with the addresses that the request reaches them by."""
    prefix = url_for("version", model=model, number=1).removesuffix("1")
    template: Any = current_app.jinja_env.get_template("version_row.html").module

    def render(version: Mapping[str, Any]) -> bytes:
        reference = str(Reference(model, version=version["number"]))
        return strict_json.dumps([
            template.start(version, reference, prefix, _lacks(version["lineage"])),
            {key: words.number(value) for key, value in version["metrics"].items()},
            template.end(version, _origin(version["lineage"])),
            version["created_at"].isoformat(),
            version["created_by"],
        ])  # fmt: skip

    return Rendering(f"row below {prefix}", render, FIELDS)


def rows(rendered: Sequence[Fragment]) -> list[VersionRow]:
    """Return the rows that :func:`rendering` rendered."""
    return [
        VersionRow(_markup(start), metrics, _markup(end), datetime.fromisoformat(created_at), created_by)
        for start, metrics, end, created_at, created_by in orjson.loads(strict_json.dumps(rendered))
    ]


def _markup(text: str) -> Markup:
    return Markup(text)  # noqa: S704 -- the template of the row made it, and has escaped each text in it


def _lacks(lineage: LineageRecord) -> list[str]:
    """Return the gaps in the lineage of a version."""
    notes = []
    if lineage.code and lineage.code.get("dirty"):
        notes.append("uncommitted")
    if not lineage.datasets:
        notes.append("no data recorded")
    return notes


def _origin(lineage: LineageRecord) -> str:
    """Return the commit and the run, in short."""
    commit = ((lineage.code or {}).get("commit") or "")[:8]
    run = f"run {lineage.run['id'][:24]}" if lineage.run else ""
    return " · ".join(part for part in (commit, run) if part)
