"""Checks: results about a version that CI and people report. The latest report of each name counts; all are kept."""

from __future__ import annotations

from typing import Any

from sqlalchemy import and_, bindparam, func, literal_column, select
from sqlalchemy.orm import Session, aliased

from registry.db.batch import Query
from registry.db.bulk_insert import insert_rows
from registry.db.fixed_statements import FixedStatement
from registry.db.models import Account, AuditText, Model, Version, VersionCheck
from registry.db.queries import catalog, pages, row_sizes
from registry.db.queries.pages import Sorted
from registry.db.records import CheckRecord, Page
from registry.db.session import look_up, reading
from registry.db.write_session import writing
from registry.domain import sizes, validation
from registry.domain.access import Actor, Permission
from registry.domain.audit import AuditEntryDraft
from registry.domain.errors import Forbidden, Invalid, NotReady
from registry.domain.states import CheckStatus
from registry.rules.listing import listed
from registry.rules.policies.rule import word_problem
from registry.services import audit
from registry.services.gates import approvals, assignments, documents
from registry.services.idempotency import Claim, Outcome
from registry.services.unit_of_work import unit_of_work

ACTION = "version.checked"
_URL, _SUMMARY, _LATER = aliased(AuditText), aliased(AuditText), aliased(VersionCheck)


def _joined_text(own: Any, field: str) -> Any:
    return and_(own.entry_uid == VersionCheck.entry_uid, own.field == literal_column(f"'{field}'"))


_SHOWN = (
    select(
        VersionCheck.entry_uid,
        Model.name.label("model"),
        Version.number,
        VersionCheck.name.label("check"),
        VersionCheck.status,
        VersionCheck.manifest_digest,
        VersionCheck.reported_at,
        Account.name.label("reporter"),
        _URL.text.label("url"),
        _SUMMARY.text.label("summary"),
    )
    .select_from(VersionCheck)
    .join(Version, Version.id == VersionCheck.version_id)
    .join(Model, Model.id == Version.model_id)
    .join(Account, Account.id == VersionCheck.reported_by)
    .outerjoin(_URL, _joined_text(_URL, "url"))
    .outerjoin(_SUMMARY, _joined_text(_SUMMARY, "summary"))
)
_DETAILS = pages.details(_SHOWN, VersionCheck.id, row_sizes.check, name="checks")
_NEWEST_FIRST = (Sorted(VersionCheck.id, descending=True),)
_ALL = select(VersionCheck.id).where(VersionCheck.version_id == bindparam("version"))
_LATEST = _ALL.where(
    ~select(_LATER.id)
    .where(_LATER.version_id == VersionCheck.version_id, _LATER.name == VersionCheck.name, _LATER.id > VersionCheck.id)
    .correlate(VersionCheck)
    .exists()
)
_PAGES = {
    (is_all, goes_on): pages.bounded(
        _DETAILS, found.where(VersionCheck.id < bindparam("after")) if goes_on else found, _NEWEST_FIRST
    )
    for is_all, found in ((True, _ALL), (False, _LATEST))
    for goes_on in (True, False)
}
_ONE = FixedStatement(_SHOWN.where(VersionCheck.entry_uid == bindparam("entry")))
_limited = select(VersionCheck.id).where(VersionCheck.version_id == bindparam("version")).limit(sizes.CHECKS)
_COUNT = FixedStatement(select(func.count().label("reports")).select_from(_limited.subquery()))


def checks(
    model: str, number: int, *, history: bool = False, after: tuple[Any, ...] | None = None, limit: int
) -> Page[CheckRecord]:
    """Return the latest report of each check of the version, or with *history* every report, newest first.

    Raises NotFound.
    """
    with reading(snapshot=True) as session:
        version = catalog.any_version(session, model, number)
        values = {"version": version.id} | ({} if after is None else {"after": after[0]})
        page = pages.read(session, _PAGES[history, after is not None], values, limit=limit).page
        return Page([_check_record(row) for row in page.items], page.next_after)


def report(
    model: str,
    number: int,
    name: str,
    status: CheckStatus,
    *,
    url: str = "",
    summary: str = "",
    actor: Actor,
    claim: Claim | None = None,
) -> CheckRecord:
    """Record the result of a check of the version's files. Earlier reports stay, and do not count any more.

    Raises NotFound, Forbidden where the policy in force names other reporters for the check, Conflict for what is
    deleted, NotReady for a version whose files are unknown, and Invalid for a name that no check can have and where the
    version has ``sizes.CHECKS`` reports.
    """
    validation.require(word_problem, "name", name)
    with unit_of_work(claim) as unit:
        current = assignments.ask_for_current(model)
        locked_model, version = catalog.lock_live_version(unit.session, model, number, current)
        digest = _checked_digest(locked_model, version)
        _require_reporter(unit.session, current, name, actor)
        event = audit.begin(locked_model)
        unit.remember(entry=event.uid)
        _require_fewer_reports(unit.session, version)
        roles = sorted(actor.roles)
        row = {
            "version_id": version.id,
            "name": name,
            "status": status.value,
            "manifest_digest": digest,
            "roles": roles,
            "reported_at": event.at,
            "reported_by": actor.id,
            "entry_uid": event.uid,
        }
        insert_rows(unit.session, VersionCheck, [row])
        draft = AuditEntryDraft(
            ACTION,
            {"model": locked_model.name, "version": version.number},
            after={"check": name, "status": status.value, "roles": roles},
            digests={"manifest": digest},
            texts=audit.texts(url=url, summary=summary),  # also empty ones: one that is missing was redacted
        )
        audit.record(unit.session, locked_model, event, draft, actor=actor, version=version)
        approvals.wake(unit.session, version, event.at)
        shown = (event.uid, locked_model.name, version.number, name, status.value, digest, event.at, actor.name)
        return _check_record((*shown, url, summary))


def recall(outcome: Outcome) -> CheckRecord:
    """Return the report of an earlier request, without the texts that were redacted since."""
    (row,) = look_up(_ONE, entry=outcome["entry"])
    return _check_record(row)


def _checked_digest(model: Model, version: Version) -> str:
    if version.manifest_digest is None:
        raise NotReady(
            f"the files of version {version.number} of {model.name!r} are not known, and a check is about files; "
            "report it once the version is ready"
        )
    return version.manifest_digest


def _require_reporter(session: Session, current: Query, name: str, actor: Actor) -> None:
    """Raise Forbidden where the policy in force declares the check, and not this actor as one of its reporters."""
    policy = documents.stored(session, current.rows[0].digest) if current.rows else None
    if policy is None or name not in policy.checks:
        return
    if not policy.may_report(name, account=actor.name, roles=[role.value for role in actor.roles]):
        reporters = listed([str(party) for party in policy.checks[name]])
        detail = f"the policy lets {reporters} report the check {name!r}, and {actor.name} is not among them"
        raise Forbidden(detail, permission=Permission.CHECK_REPORT)


def _require_fewer_reports(session: Session, version: Version) -> None:
    query = Query(_COUNT, version=version.id)
    writing(session).ask(query)
    if query.rows[0].reports >= sizes.CHECKS:
        raise Invalid.field("name", f"must be of one of {sizes.CHECKS} reports about one version at most")


def _check_record(row: Any) -> CheckRecord:
    url, summary = row[-2:]
    return CheckRecord(*(*row[:-2], url or None, summary or None, None in {url, summary}))
