"""Notes: comments on versions. A note is an audit entry with a text, and is stored nowhere else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import and_, bindparam, func, literal_column, select
from sqlalchemy.orm import Session

from registry.db.batch import Query
from registry.db.fixed_statements import FixedStatement
from registry.db.models import Account, AuditEntry, AuditText, Model, Version
from registry.db.queries import catalog, pages, row_sizes
from registry.db.queries.pages import Sorted
from registry.db.records import NoteRecord, Page
from registry.db.session import look_up, reading
from registry.db.write_session import writing
from registry.domain import sizes
from registry.domain.access import Actor
from registry.domain.audit import AuditEntryDraft
from registry.domain.errors import Invalid, NotFound, RateLimited
from registry.services import audit
from registry.services.catalog.versions import subject
from registry.services.idempotency import Claim, Outcome
from registry.services.unit_of_work import unit_of_work

ACTION, TEXT = "version.noted", "note"
HOUR = timedelta(hours=1)
# A literal, not a parameter: the indexes contain entries with this action only.
_IS_NOTE: Any = AuditEntry.action == literal_column(f"'{ACTION}'")
_NOTES = pages.details(
    select(AuditEntry.uid, AuditEntry.at, Account.name, AuditText.text)
    .select_from(AuditEntry)
    .join(Account, Account.id == AuditEntry.actor_id)
    .outerjoin(AuditText, and_(AuditText.entry_uid == AuditEntry.uid, AuditText.field == literal_column(f"'{TEXT}'"))),
    AuditEntry.id,
    row_sizes.note,
    name="notes",
)
_MATCHING = select(AuditEntry.id).where(AuditEntry.version_id == bindparam("version"), _IS_NOTE)
_NEWEST_FIRST = (Sorted(AuditEntry.id, descending=True),)
_FIRST_PAGE = pages.bounded(_NOTES, _MATCHING, _NEWEST_FIRST)
_NEXT_PAGE = pages.bounded(_NOTES, _MATCHING.where(AuditEntry.id < bindparam("after")), _NEWEST_FIRST)
_ONE = FixedStatement(
    select(AuditEntry.uid, AuditEntry.at, Account.name, AuditText.text, Model.name.label("model"), Version.number)
    .select_from(AuditEntry)
    .join(Account, Account.id == AuditEntry.actor_id)
    .join(Version, Version.id == AuditEntry.version_id)
    .join(Model, Model.id == Version.model_id)
    .outerjoin(AuditText, and_(AuditText.entry_uid == AuditEntry.uid, AuditText.field == literal_column(f"'{TEXT}'")))
    .where(AuditEntry.uid == bindparam("entry"), _IS_NOTE)
)
_of_version = (
    select(AuditEntry.id).where(AuditEntry.version_id == bindparam("version"), _IS_NOTE).limit(sizes.NOTES).subquery()
)
_of_author = (
    select(AuditEntry.at)
    .where(AuditEntry.actor_id == bindparam("author"), AuditEntry.at > bindparam("since"), _IS_NOTE)
    .order_by(AuditEntry.at.desc())
    .limit(sizes.NOTES_AN_HOUR)
    .subquery()
)
_ROOM = FixedStatement(
    select(
        select(func.count()).select_from(_of_version).scalar_subquery().label("of_version"),
        select(func.count()).select_from(_of_author).scalar_subquery().label("of_author"),
        select(func.min(_of_author.c.at)).scalar_subquery().label("first"),
    )
)


def notes(model: str, number: int, *, after: tuple[Any, ...] | None = None, limit: int) -> Page[NoteRecord]:
    """Return the notes of the version, newest first. Raises NotFound."""
    with reading() as session:
        version = catalog.any_version(session, model, number)
        values = {"version": version.id} | ({} if after is None else {"after": after[0]})
        page = pages.read(session, _FIRST_PAGE if after is None else _NEXT_PAGE, values, limit=limit).page
        return Page(
            [NoteRecord(uid, model, number, at, author, text) for uid, at, author, text in page.items], page.next_after
        )


def note(model: str, number: int, text: str, *, actor: Actor, claim: Claim | None = None) -> NoteRecord:
    """Add a comment to the version, deleted or not; it is an audit entry, and does not change the version.

    Raises NotFound, Conflict for a deleted model, Invalid for a text that is empty or too long and where the version
    has ``sizes.NOTES`` notes, and RateLimited where *actor* wrote ``sizes.NOTES_AN_HOUR`` in the last hour.
    """
    _require_text(text)
    with unit_of_work(claim) as unit:
        locked_model, version = catalog.lock_version(unit.session, model, number)
        event = audit.begin(locked_model)
        unit.remember(entry=event.uid)
        _require_room(unit.session, version, event, actor)
        draft = AuditEntryDraft(ACTION, subject(locked_model, version), texts={TEXT: text})
        audit.record(unit.session, locked_model, event, draft, actor=actor, version=version)
        return NoteRecord(event.uid, locked_model.name, version.number, event.at, actor.name, text)


def recall(outcome: Outcome) -> NoteRecord:
    """Return the note that an earlier request wrote, as it is now: without its text, if that was redacted since."""
    rows = look_up(_ONE, entry=outcome["entry"])
    if not rows:
        raise NotFound("there is no such note")
    row = rows[0]
    return NoteRecord(row.uid, row.model, row.number, row.at, row.name, row.text)


def _require_text(text: str) -> None:
    if not text.strip():
        raise Invalid.field("text", "must not be empty")
    if len(text) > sizes.NOTE_LENGTH:
        raise Invalid.field("text", f"must have at most {sizes.NOTE_LENGTH} characters")


def _require_room(session: Session, version: Version, event: audit.Event, actor: Actor) -> None:
    query = Query(_ROOM, version=version.id, author=actor.id, since=event.at - HOUR)
    writing(session).ask(query)
    room = query.rows[0]
    if room.of_version >= sizes.NOTES:
        raise Invalid.field("text", f"must be one of {sizes.NOTES} notes of one version at most")
    if room.of_author >= sizes.NOTES_AN_HOUR:
        raise RateLimited(
            f"{actor.name} wrote {sizes.NOTES_AN_HOUR} notes in the last hour, and may not write more; try again later",
            retry_after=max(1, round((room.first + HOUR - event.at).total_seconds())),
        )
