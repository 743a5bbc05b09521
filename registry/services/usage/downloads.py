"""Counts of downloads by account and version, for each hour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from registry.db.models import Account, Download
from registry.db.records import Page
from registry.db.session import reading
from registry.services import known_values
from registry.services.usage.hourly_counts import OTHERS, HourlyCounts, hour_of, page


class Way(StrEnum):
    """The way of a download: one URL, a list of URLs, one tar, a preview, or MLflow's artifact proxy."""

    FILE = "file"
    FILES = "files"
    ARCHIVE = "archive"
    PREVIEW = "preview"
    MLFLOW = "mlflow"


@dataclass(frozen=True, slots=True)
class DownloadKind:
    """The key of a count; *model* is the name in the request."""

    hour: datetime
    actor: str
    address: str
    model: str
    number: int | None
    way: str

    @property
    def others(self) -> DownloadKind:
        """Return the kind for all beyond the bound of a process."""
        return DownloadKind(self.hour, "", OTHERS, "", None, self.way)

    @property
    def columns(self) -> Mapping[str, Any]:
        """Return the columns of its row."""
        named = {"address": self.address, "model": self.model, "number": self.number, "way": self.way}
        return {"actor_id": self.actor or None, **named}


@dataclass(frozen=True, slots=True)
class DownloadCriteria:
    """Filter of counts; every part is optional. ``since`` and ``until`` are compared with the beginning of the hour."""

    actor: str | None = None
    address: str | None = None
    model: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class DownloadRecord:
    """``actor``, ``model`` and ``number`` are None for those beyond the bound of a process."""

    hour: datetime
    actor: Mapping[str, str] | None
    address: str
    model: str | None
    number: int | None
    way: str
    count: int
    last_at: datetime


class DownloadCounts(HourlyCounts[DownloadKind]):
    """The downloads that this process has answered and not written down yet; its threads share it."""

    def __init__(self) -> None:
        super().__init__(Download)

    def add(self, *, at: datetime, actor: str, address: str, model: str, number: int, way: Way) -> None:
        """Count one request, at a time by the database's clock; touches no database."""
        self.count(DownloadKind(hour_of(at), actor, address[:64], model, number, way.value), at=at)


def entries(
    counts: DownloadCounts, criteria: DownloadCriteria, *, after: tuple[Any, ...] | None, limit: int
) -> Page[DownloadRecord]:
    """Return the counts that match, the latest hour first; those of this process are written down before.

    Raises UnknownValue.
    """
    counts.flush()
    equal = {Account.name: criteria.actor, Download.address: criteria.address, Download.model: criteria.model}
    with reading() as session:
        rows_page = page(session, Download, equal, since=criteria.since, until=criteria.until, after=after, limit=limit)
        if not rows_page.items:
            known_values.require_account(session, criteria.actor)
            known_values.require_model(session, criteria.model)
    return Page([_download_record(row, name) for row, name in rows_page.items], rows_page.next_after)


def _download_record(row: Download, name: str | None) -> DownloadRecord:
    actor = {"id": row.actor_id, "name": name or ""} if row.actor_id else None
    return DownloadRecord(row.hour, actor, row.address, row.model or None, row.number, row.way, row.count, row.last_at)
