"""Active holds: those on a version as a column of its row, and what they are, with the holds on what is upstream."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, String, bindparam, cast, func, literal_column, or_, select, union_all
from sqlalchemy.orm import Session, aliased

from registry.db.base import Rows
from registry.db.batch import Query
from registry.db.fixed_statements import FixedStatement
from registry.db.models import Account, AuditEntry, AuditText, Hold, LineageNode, Model, Tenure, Version
from registry.db.queries import catalog, pages, walking
from registry.db.queries.ancestry import AncestorTarget, Ancestry, ancestry
from registry.db.queries.cached_fragments import Fixed
from registry.db.queries.json_columns import ListedRows
from registry.db.records.holds import HoldRecord
from registry.db.session import joined
from registry.domain.holds import HoldKind, HoldNotice
from registry.domain.stages import Stage

_ON_VERSION: Any = literal_column(f"'{HoldKind.VERSION.value}'")
_ACTIVE = Hold.released_at.is_(None)
# As the conditions of the partial indexes are written. SQLite uses no index for a side of an OR that has no range of a
# column in it: it would read every hold that was ever placed.
_IS_UPSTREAM = (Hold.kind != _ON_VERSION) & (Hold.kind > literal_column("''")) & _ACTIVE
_PLACED, _PLACER, _REASON = aliased(AuditEntry), aliased(Account), aliased(AuditText)
_RELEASED, _RELEASER, _RELEASE_REASON = aliased(AuditEntry), aliased(Account), aliased(AuditText)


class Listing(NamedTuple):
    """An active hold that concerns a version, or may do so: one on data or a model."""

    version: int
    hold: int
    kind: str


def of_version(version: Any = Version) -> ColumnElement[Any]:
    """Return the ``Listing`` of each active hold on *version*, and of each on data and models, as a JSON list."""
    rows = select(ListedRows(version.id, Hold.id, Hold.kind)).where(_concerns(version.id))
    name = "version_holds" if version is Version else "version_holds_of_another"
    return Fixed(name, rows.correlate(version).scalar_subquery()).label("version_holds")


def upstream_mark() -> ColumnElement[Any]:
    """Return a text that changes with the active holds on data and models; NULL without any.

    Ids rise: of the holds up to the same greatest one, later ones are never more.
    """
    newest, number = cast(func.max(Hold.id), String), cast(func.count(), String)
    rows = select(newest + literal_column("'-'", String) + number).where(_IS_UPSTREAM)
    return Fixed("upstream_holds", rows.scalar_subquery()).label("upstream_holds")


def _concerns(version: Any) -> ColumnElement[bool]:
    return or_((Hold.version_id == version) & (Hold.kind == _ON_VERSION) & _ACTIVE, _IS_UPSTREAM)


_NUMBERED = (
    select(Version.id)
    .where(Version.model_id == catalog.live_id(bindparam("model")), Version.number == bindparam("number"))
    .scalar_subquery()
)
_OF_NUMBER = FixedStatement(select(_NUMBERED.label("version"), Hold.id, Hold.kind).where(_concerns(_NUMBERED)))
_OF_VERSIONS = FixedStatement(
    select(Version.id, Hold.id.label("hold"), Hold.kind)
    .join(Hold, _concerns(Version.id))
    .where(Version.id.in_(bindparam("versions", expanding=True)))
)


def ask(model: str, number: int) -> Query:
    """Return the query of the listings of a version of the live model, to be executed with its lock."""
    return Query(_OF_NUMBER, model=model, number=number)


def notices(session: Session, listings: Iterable[Sequence[Any]]) -> Mapping[int, Sequence[HoldNotice]]:
    """Return the active holds on each of the versions, by its id: holds on data and models where it is downstream."""
    own: dict[int, list[int]] = {}
    candidates: dict[int, None] = {}
    upstream: dict[int, None] = {}
    for version, hold, kind in listings:
        if kind == HoldKind.VERSION:
            own.setdefault(version, []).append(hold)
        else:
            candidates[version] = upstream[hold] = None
    described = {
        row.id: row for row in _hold_rows(session, {*upstream, *(one for held in own.values() for one in held)})
    }
    found = _ancestry(session, [*candidates], [described[hold] for hold in upstream if hold in described])
    result: dict[int, list[HoldNotice]] = {}
    for version in {**own, **candidates}:
        certain = {*own.get(version, ()), *found.targets.get(version, ())}
        doubtful = {*upstream} if found.is_cut and version in candidates else set()
        shown = [_notice(described[hold], hold in certain) for hold in sorted(certain | doubtful) if hold in described]
        if shown:
            result[version] = shown
    return result


def of(session: Session, versions: Collection[int]) -> Mapping[int, Sequence[HoldNotice]]:
    """Return the active holds on each of the versions, by its id; those without any are left out."""
    listings = [
        Listing(*row)
        for chunk in walking.chunks(versions)
        for row in pages.rows(session, _OF_VERSIONS, {"versions": chunk})
    ]
    return notices(session, listings) if listings else {}


def settled(listed: Sequence[Any]) -> list[Sequence[HoldNotice]]:
    """Return the holds of each version, from values of the column :func:`of_version`.

    Without an active hold no statement is executed. The open transaction is used, or a new one.
    """
    if not any(listed):
        return [()] * len(listed)
    with joined() as session:
        found = notices(session, [one for listings in listed for one in listings or ()])
    return [found.get(listings[0][0], ()) if listings else () for listings in listed]


def settled_rows(rows: Sequence[Any], place: int) -> list[tuple[Any, ...]]:
    """Return the rows with the holds of their versions at *place*, where they have the column :func:`of_version`."""
    holds = settled([row[place] for row in rows])
    return [(*row[:place], held, *row[place + 1 :]) for row, held in zip(rows, holds, strict=True)]


def _ancestry(session: Session, versions: Sequence[int], rows: Sequence[Any]) -> Ancestry:
    if not versions or not rows:
        return Ancestry({})
    return ancestry(session, versions, [target_of(row) for row in rows])


def target_of(row: Any) -> AncestorTarget:
    """Return what a hold on data or a model is on."""
    if row.version_id is not None:
        return AncestorTarget(row.id, version=row.version_id)
    return (
        AncestorTarget(row.id, digests=row.target.split())
        if row.kind == HoldKind.DATA
        else AncestorTarget(row.id, uri=row.target)
    )


def _notice(row: Any, certain: bool) -> HoldNotice:
    return HoldNotice(
        id=row.id,
        kind=row.kind,
        target=name_of(row),
        reason=row.reason,
        placed_at=row.placed_at,
        placed_by=row.placed_by,
        entry=row.placed_entry,
        certain=certain,
    )


def name_of(row: Any) -> str:
    """Return the target of a hold as it is shown: a version by the present name of its model."""
    return row.target if row.version_id is None else f"{row.model}:{row.number}"


def select_holds() -> Rows:
    """Return the selection of holds with their targets, who placed them and why."""
    return (
        select(
            Hold.id,
            Hold.kind,
            Hold.version_id,
            Hold.target,
            Hold.placed_at,
            Hold.placed_entry,
            Model.name.label("model"),
            Version.number,
            _PLACER.name.label("placed_by"),
            _REASON.text.label("reason"),
        )
        .outerjoin(Version, Version.id == Hold.version_id)
        .outerjoin(Model, Model.id == Version.model_id)
        .join(_PLACED, _PLACED.uid == Hold.placed_entry)
        .join(_PLACER, _PLACER.id == _PLACED.actor_id)
        .outerjoin(_REASON, (_REASON.entry_uid == _PLACED.uid) & (_REASON.field == "reason"))
    )


_DESCRIBED = FixedStatement(select_holds().where(Hold.id.in_(bindparam("holds", expanding=True))))


def _hold_rows(session: Session, holds: Collection[int]) -> list[Any]:
    return [row for chunk in walking.chunks(holds) for row in pages.rows(session, _DESCRIBED, {"holds": chunk})]


def _select_records() -> Rows:
    """Return the selection of holds with who placed and released them, and why."""
    return (
        select_holds()
        .add_columns(Hold.released_at, Hold.released_entry, _RELEASER.name.label("released_by"),
                     _RELEASE_REASON.text.label("release_reason"))
        .outerjoin(_RELEASED, _RELEASED.uid == Hold.released_entry)
        .outerjoin(_RELEASER, _RELEASER.id == _RELEASED.actor_id)
        .outerjoin(
            _RELEASE_REASON, (_RELEASE_REASON.entry_uid == _RELEASED.uid) & (_RELEASE_REASON.field == "reason")
        )
    )  # fmt: skip


BY_ID = FixedStatement(_select_records().where(Hold.id == bindparam("hold")))
_CONDITIONS = {
    "after": Hold.id < bindparam("after"),
    "model": Model.name == bindparam("model"),
    "active": _ACTIVE,
    "released": Hold.released_at.is_not(None),
    "upstream": _IS_UPSTREAM,
    "among": Hold.id.in_(bindparam("among", expanding=True)),
}


@functools.cache
def listed(*narrowing: str) -> FixedStatement:
    """Return the selection of the newest ``most`` holds that the *narrowing* conditions describe."""
    conditions = (_CONDITIONS[name] for name in narrowing)
    return FixedStatement(_select_records().where(*conditions).order_by(Hold.id.desc()).limit(bindparam("most")))


def records(session: Session, statement: FixedStatement, values: Mapping[str, Any]) -> list[HoldRecord]:
    """Return the holds that a statement selects."""
    return [
        HoldRecord(
            id=row.id,
            kind=row.kind,
            target=name_of(row),
            model=row.model,
            number=row.number,
            reason=row.reason,
            placed_at=row.placed_at,
            placed_by=row.placed_by,
            entry=row.placed_entry,
            released_at=row.released_at,
            released_by=row.released_by,
            release_reason=row.release_reason,
            release_entry=row.released_entry,
        )
        for row in pages.rows(session, statement, values)
    ]


def active_counts(session: Session) -> Mapping[str, int]:
    """Return the number of active holds of each kind."""
    return dict(pages.rows(session, _COUNTED, {}))


def live(session: Session) -> Mapping[int, Sequence[HoldNotice]]:
    """Return the active holds on each version in production of a live model itself, by its id."""
    return notices(session, pages.rows(session, _OWN_OF_PRODUCTION, {}))


def in_production(session: Session, nodes: Collection[int]) -> Sequence[int]:
    """Return the versions in production of live models that the nodes of the lineage are."""
    return [row[0] for chunk in walking.chunks(nodes) for row in pages.rows(session, _OF_NODES, {"nodes": chunk})]


def notice_of(hold: HoldRecord) -> HoldNotice:
    """Return the notice of a hold on a version that it is certainly about."""
    return HoldNotice(
        id=hold.id,
        kind=hold.kind,
        target=hold.target,
        reason=hold.reason,
        placed_at=hold.placed_at,
        placed_by=hold.placed_by,
        entry=hold.entry,
    )


_COUNTED = FixedStatement(  # in two parts, each by the index of its active holds
    union_all(
        *(
            select(Hold.kind, func.count()).where(_ACTIVE, part).group_by(Hold.kind)
            for part in (Hold.kind == _ON_VERSION, Hold.kind != _ON_VERSION)
        )
    )
)
_PRODUCTION = (
    select(Tenure.version_id)
    .join(Model, Model.id == Tenure.model_id)
    .where(
        Tenure.stage == literal_column(f"'{Stage.PRODUCTION.value}'"),
        Tenure.ended_at.is_(None),
        Model.deleted_at.is_(None),
    )
)
_OWN_OF_PRODUCTION = FixedStatement(
    select(Hold.version_id, Hold.id, Hold.kind).where(
        (Hold.kind == _ON_VERSION) & _ACTIVE, Hold.version_id.in_(_PRODUCTION)
    )
)
# By the nodes: SQLite, without statistics, would begin with all tenures in production.
_OF_NODES = FixedStatement(
    select(Version.id)
    .select_from(LineageNode)
    .join(Version, Version.id == LineageNode.version_id)
    .join(Model, Model.id == Version.model_id)
    .where(
        LineageNode.id.in_(bindparam("nodes", expanding=True)),
        Version.stage == literal_column(f"'{Stage.PRODUCTION.value}'"),
        Model.deleted_at.is_(None),
    )
)
