"""Aliases: movable names for one version, moved with compare-and-set, each move recorded."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from registry.db.base import Rows
from registry.db.batch import Answer, Query
from registry.db.bulk_insert import insert_rows
from registry.db.fixed_statements import FixedStatement
from registry.db.models import AliasTenure, Model, Version
from registry.db.queries import catalog, governance, records
from registry.db.queries.governance import covering
from registry.db.records import AliasRecord, Page
from registry.db.session import look_up, reading
from registry.db.write_session import writing
from registry.domain import clock, sizes, validation
from registry.domain.access import Actor
from registry.domain.audit import AuditEntryDraft
from registry.domain.errors import Conflict, NotFound, PreconditionFailed, Stale
from registry.domain.prompts import is_prompt
from registry.rules import names
from registry.services import audit, holds
from registry.services.catalog import alias_gates, authority
from registry.services.catalog.alias_gates import AliasRules
from registry.services.gates import approvals, assignments, verdicts
from registry.services.gates.awaited_formats import with_known_formats
from registry.services.idempotency import Claim, Outcome
from registry.services.unit_of_work import unit_of_work
from registry.storage.checked import Store

UNSAID = object()
_NAMED = (AliasTenure.model_id == catalog.model_id(bindparam("model"))) & (AliasTenure.alias == bindparam("alias"))
_OPEN = (
    (AliasTenure.model_id == bindparam("model"))
    & (AliasTenure.alias == bindparam("alias"))
    & AliasTenure.ended_at.is_(None)
)
_OPEN_TENURE = FixedStatement(select(AliasTenure.__table__).where(_OPEN))
_POINTED_NUMBER = FixedStatement(
    select(Version.number).join(AliasTenure, AliasTenure.version_id == Version.id).where(_OPEN)
)


def _select_pointed() -> Rows:
    """Return the selection of alias tenures, last with the digest of the policy that guards the model."""
    return governance.select_aliases().add_columns(assignments.in_force(AliasTenure.model_id, "digest"))


_CURRENT = FixedStatement(_select_pointed().where(_OPEN))
_POINTED = FixedStatement(covering(_select_pointed().where(_NAMED), AliasTenure, None))


def point(  # noqa: PLR0913 -- conditions and options of one request, all but the place of the alias named
    model: str,
    alias: str,
    number: int,
    *,
    actor: Actor,
    store: Store,
    protected: Collection[str],
    expected_current: int | object | None = UNSAID,
    reason: str | None = None,
    if_match: int | None = None,
    request: str | None = None,
    claim: Claim | None = None,
) -> AliasRecord:
    """Point *alias* at the version. When it points there already, nothing is written.

    Files that no worker has read are read from *store* where a gate needs their formats.

    Raises Forbidden for a protected alias when *actor* may not promote, Held for one when a hold concerns the version,
    NotReady (see ``authority``), GatesUnmet (see ``alias_gates``), or Invalid: the name of a stage points at a prompt's
    version only.
    With *expected_current* (a number, or None for "it does not exist") raises Stale when it points elsewhere;
    with *if_match* (a tenure) raises PreconditionFailed when it was moved since.
    """
    validation.require(names.prompt_alias_problem, "alias", alias)
    return with_known_formats(
        store,
        model,
        number,
        lambda: _point(
            model, alias, number, actor=actor, protected=protected, expected_current=expected_current, reason=reason,
            if_match=if_match, request=request, claim=claim,
        ),
    )  # fmt: skip


def _point(  # noqa: PLR0913 -- as for the public function
    model: str,
    alias: str,
    number: int,
    *,
    actor: Actor,
    protected: Collection[str],
    expected_current: int | object | None,
    reason: str | None,
    if_match: int | None,
    request: str | None,
    claim: Claim | None,
) -> AliasRecord:
    with unit_of_work(claim) as unit:
        held, asked = holds.ask(model, number), alias_gates.ask(unit.session, model)
        locked_model, version = catalog.lock_live_version(unit.session, model, number, *asked, held)
        rules = alias_gates.rules(unit.session, asked, protected)
        if not is_prompt(version.source):
            validation.require(names.alias_problem, "alias", alias)
        authority.require_to_point(actor, locked_model, alias, rules.protected)
        authority.require_fit(locked_model, alias, version, rules.protected)
        before = _current_number(unit.session, locked_model, alias)
        if expected_current is not UNSAID and expected_current != before:
            raise Stale(_stale_text(alias, expected_current, before), holder=before)
        _check_match(unit.session, locked_model, alias, if_match)
        if before == number:
            approvals.refuse_done(request)
        else:
            if names.lists_alias(alias, locked_model.protected_aliases, rules.protected):
                holds.refuse_asked(unit.session, held, locked_model, version, f"the protected alias {alias!r}")
            closed = assign(
                unit.session, locked_model, alias, version, rules, actor=actor, reason=reason, request=request
            )
            if closed is not None:
                unit.remember_also(request=closed)
        unit.remember(model=locked_model.id, alias=alias, created=before is None)
        pointed = _read_back(unit.session, locked_model, alias, rules.protected)
    return replace(pointed.value, created=before is None)


def recall(outcome: Outcome, *, protected: Collection[str]) -> AliasRecord:
    """Return the alias that an earlier request set or deleted: where it points now, or pointed last."""
    statement = _select_pointed().where(AliasTenure.model_id == outcome["model"], AliasTenure.alias == outcome["alias"])
    (latest,) = look_up(statement.order_by(AliasTenure.id.desc()).limit(1))
    return replace(_alias_record(latest, protected), created=outcome["created"])


def assign(
    session: Session,
    model: Model,
    alias: str,
    version: Version,
    rules: AliasRules,
    *,
    actor: Actor,
    reason: str | None = None,
    aside: bool = False,
    request: str | None = None,
) -> str | None:
    """Point *alias* at *version* within the caller's transaction, and record it; *aside* is as in ``audit.record``.

    Returns the id of the request for approval that this closes: *request*, or the open one where a policy guards the
    alias. Raises GatesUnmet before anything is written, or Conflict where *request* is not open any more.
    """
    gates = alias_gates.decide(session, model, alias, version, rules)
    requested = None
    if gates or request is not None:
        asked = approvals.ask_for_version(version.id, f"@{alias}")
        writing(session).ask(asked)
        requested = approvals.found(session, asked)
    event = audit.begin(model)
    as_of = gates.facts.at if gates else event.at
    approvals.require_same(requested, request, as_of)
    recorded = {**(gates.recorded if gates else {}), **approvals.recorded(requested, as_of)}
    before = move(session, model, alias, version, event=event)
    draft = AuditEntryDraft(
        "alias.set",
        {"model": model.name, "version": version.number, "alias": alias},
        before={"aliases": {alias: before}},
        after={"aliases": {alias: version.number}, **recorded},
        texts=audit.texts(reason=reason),
    )
    audit.record(session, model, event, draft, actor=actor, version=version, aside=aside)
    if gates:
        verdicts.keep(session, gates, model, version, event)
    return approvals.close_applied(session, model, requested, event, as_of=as_of, actor=actor, version=version)


def move(session: Session, model: Model, alias: str, version: Version, *, event: audit.Event) -> int | None:
    """Point *alias* at *version* within the caller's transaction, which also records it; returns where it pointed."""
    left = _end_tenure(session, model, alias, event)
    if left is None:
        _require_room(session, model)
    begun = {
        "model_id": model.id,
        "version_id": version.id,
        "alias": alias,
        "started_at": event.at,
        "started_entry": event.uid,
    }
    insert_rows(session, AliasTenure, [begun])
    catalog.touch(version, event.at, revises=False)
    catalog.touch(model, event.at, revises=False)  # its view shows the aliases
    return left.number if left else None


def _require_room(session: Session, model: Model) -> None:
    """Raise Conflict unless the model may have one more alias: each answer about it lists them all."""
    pointing = select(func.count()).where(AliasTenure.model_id == model.id, AliasTenure.ended_at.is_(None))
    if (session.scalar(pointing) or 0) >= sizes.ALIASES:
        raise Conflict(f"the model {model.name!r} has {sizes.ALIASES} aliases already; delete some first")


def remove(
    model: str,
    alias: str,
    *,
    actor: Actor,
    protected: Collection[str],
    reason: str | None = None,
    if_match: int | None = None,
    claim: Claim | None = None,
) -> AliasRecord:
    """End the alias; its history stays.

    Raises NotFound, PreconditionFailed when it was moved since, or Forbidden for a protected alias when *actor* may not
    promote.
    """
    with unit_of_work(claim) as unit:
        asked = alias_gates.ask(unit.session, model)
        locked_model = catalog.lock_model(unit.session, model, *asked)
        rules = alias_gates.rules(unit.session, asked, protected)
        authority.require_to_point(actor, locked_model, alias, rules.protected)
        event = audit.begin(locked_model)
        gone = _current(unit.session, locked_model, alias, rules.protected)
        _check_match(unit.session, locked_model, alias, if_match)
        version = _end_tenure(unit.session, locked_model, alias, event)
        catalog.touch(locked_model, event.at, revises=False)
        draft = AuditEntryDraft(
            "alias.deleted",
            {"model": locked_model.name, "version": gone.number, "alias": alias},
            before={"aliases": {alias: gone.number}},
            after={"aliases": {alias: None}},
            texts=audit.texts(reason=reason),
        )
        audit.record(unit.session, locked_model, event, draft, actor=actor, version=version)
        unit.remember(model=locked_model.id, alias=alias, created=False)
        return replace(gone, until=event.at)


def pointing_at(session: Session, version: Version) -> list[str]:
    """Return the names of the aliases that point at the version."""
    open_ = select(AliasTenure.alias).where(AliasTenure.version_id == version.id, AliasTenure.ended_at.is_(None))
    return list(session.scalars(open_.order_by(AliasTenure.alias)))


def end_all(session: Session, model: Model, version: Version, *, event: audit.Event) -> list[str]:
    """End the version's aliases within the caller's transaction, which also records it; returns their names."""
    pointing = pointing_at(session, version)
    for alias in pointing:
        _end_tenure(session, model, alias, event)
    return pointing


def pointing(names: Collection[str], number: int | None) -> dict[str, Any]:
    """Return the part of an audit entry that records that the aliases point at version *number*; empty without any."""
    return {"aliases": dict.fromkeys(names, number)} if names else {}


def resolve(model: str, alias: str, *, protected: Collection[str], as_of: datetime | None = None) -> AliasRecord:
    """Return where the alias points, or pointed at *as_of*, also under a deleted model.

    Raises NotFound, Invalid, or TimeUncertain.
    """
    governance.require_past(as_of)
    if as_of is None:
        rows = look_up(_POINTED, model=model, alias=alias)
    else:
        ever = _select_pointed().where(catalog.ever_named(model, after=as_of), AliasTenure.alias == alias)
        rows = look_up(covering(ever, AliasTenure, as_of).add_columns(*audit.doubts(as_of)))
    if rows and (as_of is None or not any(rows[0][-2:])):
        return _alias_record(rows[0] if as_of is None else rows[0][:-2], protected)
    with reading() as session:
        if as_of is None:
            catalog.model(session, model)
        catalog.require_ever_named(session, model)
        if as_of is not None:
            audit.require_certain(session, model, as_of)
        if rows:
            return _alias_record(rows[0][:-2], protected)
    raise _no_alias(model, alias, as_of)


def list_(
    model: str, *, protected: Collection[str], after: tuple[Any, ...] | None = None, limit: int
) -> Page[AliasRecord]:
    """Return the model's aliases, by name. Raises NotFound."""
    with reading() as session:
        model_row = catalog.model(session, model)
        statement = _select_pointed().where(AliasTenure.model_id == model_row.id, AliasTenure.ended_at.is_(None))
        if after is not None:
            statement = statement.where(AliasTenure.alias > after[0])
        page = records.page(session, statement.order_by(AliasTenure.alias), by=(AliasTenure.alias,), limit=limit)
    return Page(_alias_records(page.items, protected), page.next_after)


def history(
    model: str, alias: str, *, protected: Collection[str], after: tuple[Any, ...] | None = None, limit: int
) -> Page[AliasRecord]:
    """Return where the alias ever pointed, newest first. Raises NotFound."""
    with reading() as session:
        catalog.require_ever_named(session, model)
        statement = _select_pointed().where(catalog.ever_named(model), AliasTenure.alias == alias)
        if after is not None:
            statement = statement.where(AliasTenure.id < after[0])
        page = records.page(session, statement.order_by(AliasTenure.id.desc()), by=(AliasTenure.id,), limit=limit)
    return Page(_alias_records(page.items, protected), page.next_after)


def _end_tenure(session: Session, model: Model, alias: str, event: audit.Event) -> Version | None:
    current = _open_tenure(session, model, alias)
    if current is None:
        return None
    current.ended_at, current.ended_entry = event.at, event.uid
    left = session.get_one(Version, current.version_id)
    catalog.touch(left, event.at, revises=False)
    writing(session).write_changes()  # before the next one begins: a unique index allows one open tenure at a time
    return left


def _open_tenure(session: Session, model: Model, alias: str) -> AliasTenure | None:
    return next(iter(writing(session).load(AliasTenure, Query(_OPEN_TENURE, model=model.id, alias=alias))), None)


def tenure_id(session: Session, model: Model, alias: str) -> int | None:
    """Return the id of the alias's open tenure; None without one."""
    current = _open_tenure(session, model, alias)
    return current.id if current else None


def _check_match(session: Session, model: Model, alias: str, if_match: int | None) -> None:
    if if_match is None:
        return
    if tenure_id(session, model, alias) != if_match:
        raise PreconditionFailed("the alias was moved since you read it; read it again, then decide")


def _current_number(session: Session, model: Model, alias: str) -> int | None:
    rows = records.rows(session, _POINTED_NUMBER, model=model.id, alias=alias)
    return rows[0].number if rows else None


def _read_back(session: Session, model: Model, alias: str, protected: Collection[str]) -> Answer[AliasRecord]:
    """Return where the alias points as the transaction leaves it: it is read with the commit."""
    query = Query(_CURRENT, model=model.id, alias=alias)
    writing(session).ask_later(query)
    return Answer(lambda: _alias_record(query.rows[0], protected))


def _current(session: Session, model: Model, alias: str, protected: Collection[str]) -> AliasRecord:
    if rows := records.rows(session, _CURRENT, model=model.id, alias=alias):
        return _alias_record(rows[0], protected)
    raise _no_alias(model.name, alias, None)


def _alias_record(row: Sequence[Any], protected: Collection[str]) -> AliasRecord:
    return _alias_records([row], protected)[0]


def _alias_records(rows: Sequence[Any], protected: Collection[str]) -> list[AliasRecord]:
    """Return the records of rows of :func:`_select_pointed`; *protected* are those of the settings."""
    found = governance.alias_records([row[:-1] for row in rows], protected)
    return [
        one if one.protected else replace(one, protected=alias_gates.is_guarded(one.alias, row[-1]))
        for one, row in zip(found, rows, strict=True)
    ]


def _no_alias(model: str, alias: str, as_of: datetime | None) -> NotFound:
    when = f" at {clock.wire(as_of)}" if as_of else ""
    return NotFound(f"the model {model!r} has no alias {alias!r}{when}")


def _stale_text(alias: str, expected: object, before: int | None) -> str:
    seen = "not to exist" if expected is None else f"to point at version {expected}"
    now = "does not exist" if before is None else f"points at version {before}"
    return f"you expected the alias {alias!r} {seen}, but it {now}; look again and decide"
