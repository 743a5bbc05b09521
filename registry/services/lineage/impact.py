"""Impact of a dataset: the versions that used its digest, those in production first."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Integer, and_, bindparam, case, literal_column, or_, select
from sqlalchemy.orm import aliased

from registry.db.base import Rows
from registry.db.fixed_statements import FixedStatement
from registry.db.models import LineageDigest, LineageEdge, LineageNode, Model, Tenure, Version
from registry.db.records import Page
from registry.db.session import look_up
from registry.domain import clock
from registry.domain.errors import Invalid, Malformed
from registry.domain.lineage import NodeKind
from registry.domain.stages import Stage
from registry.domain.states import VersionState
from registry.rules import digests

MOST_ON_PAGE = 200
COLUMNS = ("model", "version", "stage", "state", "uses", "production_since", "production_until", "created_at")


class Use(NamedTuple):
    """A use of the data by a version: the name of the dataset, and its role."""

    dataset: str
    role: str


class TimeSpan(NamedTuple):
    """A period; ``until`` is None while it lasts."""

    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class AffectedVersion:
    """A version that used the data; ``production`` is its latest tenure there, None without one."""

    model: str
    number: int
    stage: str
    state: str
    uses: Sequence[Use]
    production: TimeSpan | None
    created_at: datetime


def impact(
    digest: str, *, stage: Stage | None = None, after: Sequence[Any] | None = None, limit: int
) -> Page[AffectedVersion]:
    """Return versions that used the data: production first, then staging, then the others; the newest first.

    Includes deleted versions. Raises Invalid if the text is not a digest.
    """
    sought = stored(digest)
    values: dict[str, Any] = {"digest": sought, "limit": limit + 1}
    if stage is not None:
        values["stage"] = stage.value
    if after is not None:
        values |= _position(after)
    rows = look_up(_affected(stage is not None, after is not None), **values)
    shown = rows[:limit]
    uses = _uses([row.id for row in shown], sought)
    last = (shown[-1].rank, shown[-1].id) if len(rows) > limit else None
    items = [_record(row, uses.get(row.id, [])) for row in shown]
    return Page(items, last, () if rows or after is not None else _warnings(sought))


def all_affected(digest: str, *, stage: Stage | None = None) -> Iterator[AffectedVersion]:
    """Yield all versions of :func:`impact`, read page by page. Raises Invalid at the first."""
    after: Sequence[Any] | None = None
    while True:
        page = impact(digest, stage=stage, after=after, limit=MOST_ON_PAGE)
        yield from page.items
        after = page.next_after
        if after is None:
            return


def table(digest: str, *, stage: Stage | None = None) -> Iterator[Sequence[Any]]:
    """Yield all versions of :func:`impact` as rows of ``COLUMNS``."""
    for one in all_affected(digest, stage=stage):
        uses = "; ".join(f"{use.dataset} ({use.role})" for use in one.uses)
        times = (*(one.production or (None, None)), one.created_at)
        yield (one.model, one.number, one.stage, one.state, uses, *(moment and clock.wire(moment) for moment in times))


def stored(digest: str) -> str:
    """Return the form in which the registry stores a digest. Raises Invalid."""
    try:
        return digests.stored(digest)
    except ValueError as error:
        raise Invalid.field("digest", str(error)) from error


_RANK = case(
    (Version.stage == literal_column("'production'"), literal_column("0")),
    (Version.stage == literal_column("'staging'"), literal_column("1")),
    else_=literal_column("2", Integer()),
)
_OWN = aliased(LineageNode)


def _carrying() -> Rows:
    """Select from the edges to datasets with the digest, and the nodes of the versions that they start at."""
    return (
        select(LineageEdge.id)
        .join(LineageNode, LineageNode.id == LineageEdge.target_id)
        .join(LineageDigest, LineageDigest.node_id == LineageNode.id)
        .join(_OWN, _OWN.id == LineageEdge.source_id)
        .where(
            LineageDigest.digest == bindparam("digest"),
            LineageNode.kind == literal_column(f"'{NodeKind.DATASET.value}'"),
        )
    )


@functools.cache
def _affected(is_staged: bool, is_continued: bool) -> FixedStatement:
    """Return the statement of a page: with a ``stage``, and after the position ``rank`` and ``id``."""
    found = select(Version.id, _RANK.label("rank")).where(
        Version.id.in_(_carrying().with_only_columns(_OWN.version_id))
    )
    if is_staged:
        found = found.where(Version.stage == bindparam("stage"))
    if is_continued:
        rank = bindparam("rank", type_=Integer())
        found = found.where(or_(rank < _RANK, and_(rank == _RANK, Version.id < bindparam("id"))))
    picked = found.order_by(_RANK, Version.id.desc()).limit(bindparam("limit", type_=Integer())).cte("picked")
    return FixedStatement(
        select(
            Version.id,
            picked.c.rank,
            Model.name.label("model"),
            Model.deleted_at,
            Version.number,
            Version.stage,
            Version.state,
            Version.created_at,
            _latest_production(Tenure.started_at).label("since"),
            _latest_production(Tenure.ended_at).label("until"),
        )
        .join(picked, picked.c.id == Version.id)
        .join(Model, Model.id == Version.model_id)
        .order_by(picked.c.rank, Version.id.desc())
    )


def _latest_production(column: Any) -> Any:
    """Select a column of the latest tenure of production of ``Version``."""
    return (
        select(column)
        .where(
            Tenure.model_id == Version.model_id,
            Tenure.stage == literal_column(f"'{Stage.PRODUCTION.value}'"),
            Tenure.version_id == Version.id,
        )
        .order_by(Tenure.started_at.desc(), Tenure.id.desc())
        .limit(literal_column("1"))
        .correlate(Version)
        .scalar_subquery()
    )


_USES = FixedStatement(
    _carrying()
    .with_only_columns(_OWN.version_id, LineageNode.name, LineageEdge.role)
    .where(_OWN.version_id.in_(bindparam("versions", expanding=True)))
    .order_by(LineageEdge.id)
)
_KNOWN = FixedStatement(
    select(LineageDigest.node_id).where(LineageDigest.digest == bindparam("digest")).limit(literal_column("1"))
)


def _uses(versions: Sequence[int], digest: str) -> dict[int, list[Use]]:
    if not versions:
        return {}
    uses: dict[int, list[Use]] = {}
    for version, name, role in look_up(_USES, versions=versions, digest=digest):
        uses.setdefault(version, []).append(Use(name, role))
    return uses


def _warnings(digest: str) -> Sequence[str]:
    return () if look_up(_KNOWN, digest=digest) else (f"no version was registered with data of the digest {digest}",)


def _position(after: Sequence[Any]) -> dict[str, int]:
    match [*after]:
        case [int() as rank, int() as version]:
            return {"rank": rank, "id": version}
    raise Malformed("this cursor is of another list")


def _record(row: Any, uses: Sequence[Use]) -> AffectedVersion:
    state = VersionState.DELETED.value if row.deleted_at else row.state
    production = TimeSpan(row.since, row.until) if row.since else None
    return AffectedVersion(row.model, row.number, row.stage, state, [*dict.fromkeys(uses)], production, row.created_at)
