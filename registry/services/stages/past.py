"""Tenures of stages, present and past."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from registry.db.batch import Query
from registry.db.queries import catalog, governance, records
from registry.db.records import Page, TenureRecord
from registry.db.session import look_up, look_up_together, reading
from registry.domain import clock
from registry.domain.stages import Stage

EXPORT_PAGE = 500


def tenures(
    model: str, *, stage: Stage | None = None, after: tuple[Any, ...] | None = None, limit: int
) -> Page[TenureRecord]:
    """Return the tenures of the model's versions in *stage*, by default in all, newest first. Raises NotFound."""
    values: dict[str, Any] = {"model": model, "most": limit + 1}
    if stage is not None:
        values["stage"] = stage.value
    if after is not None:
        values |= {"after": datetime.fromisoformat(after[0]), "after_id": after[1]}
    statement = governance.tenures_of(one_stage=stage is not None, goes_on=after is not None)
    found = governance.tenure_records(look_up(statement, **values))
    if not found:
        with reading() as session:
            catalog.model(session, model)
    shown = found[:limit]
    return Page(shown, _place_in_list(shown[-1]) if len(found) > limit else None)


def latest(model: str, *stages: Stage, each: int) -> list[TenureRecord]:
    """Return the latest *each* tenures of each of the stages, newest first; none for a model that does not exist."""
    statement = governance.tenures_of(one_stage=True, goes_on=False)
    queries = [Query(statement, model=model, stage=stage.value, most=each) for stage in stages]
    look_up_together(*queries)
    found = governance.tenure_records([row for query in queries for row in query.rows])
    return sorted(found, key=lambda tenure: (tenure.since, tenure.tenure), reverse=True)


def of_version(model: str, number: int, *, limit: int) -> Sequence[TenureRecord]:
    """Return the latest *limit* tenures of a version, newest first, by one statement; none for an unknown version."""
    statement = governance.tenures_of(one_stage=False, goes_on=False, one_version=True)
    return governance.tenure_records(look_up(statement, model=model, number=number, most=limit))


def export(model: str, *, stage: Stage | None = None) -> Iterator[TenureRecord]:
    """Yield every tenure, newest first, read in pages so that memory stays constant. Raises NotFound at once."""
    page = tenures(model, stage=stage, limit=EXPORT_PAGE)

    def all_of(page: Page[TenureRecord]) -> Iterator[TenureRecord]:
        yield from page.items
        while page.next_after is not None:
            page = tenures(model, stage=stage, after=page.next_after, limit=EXPORT_PAGE)
            yield from page.items

    return all_of(page)


def line_of_production(session: Session, model: str, *, at_once: int) -> Iterator[TenureRecord]:
    """Yield the tenures of production, newest first, *at_once* with each statement and as far as the caller goes on."""
    values: dict[str, Any] = {"model": model, "stage": Stage.PRODUCTION.value, "most": at_once}
    while True:
        rows = records.rows(session, governance.tenures_of(one_stage=True, goes_on="after" in values), **values)
        tenures = governance.tenure_records(rows)
        yield from tenures
        if len(rows) < at_once:
            return
        last = tenures[-1]
        values |= {"after": last.since, "after_id": last.tenure}


def _place_in_list(tenure: TenureRecord) -> tuple[str, int]:
    return clock.wire(tenure.since), tenure.tenure
