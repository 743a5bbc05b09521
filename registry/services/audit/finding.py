"""Search of all stored texts for personal data: the texts of the audit log, and the other places that may hold it.

Reads whole tables, row by row: for an operator at the server, not for requests.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import String, cast, literal, select

from registry.db.base import Rows
from registry.db.models import (
    Account,
    AliasRequest,
    AliasTenure,
    Artifact,
    AuditEntry,
    AuditText,
    Download,
    FormerName,
    GateEvaluation,
    Hold,
    IdempotencyKey,
    Import,
    LineageNode,
    LoginFailure,
    Model,
    Refusal,
    Request,
    StoredPolicy,
    Token,
    Version,
    VersionCheck,
    VersionFile,
    VersionMetric,
    VersionParam,
)
from registry.db.session import reading
from registry.domain.access import ActorKind
from registry.services.audit.streams import Cursors

AROUND = 30  # characters of an excerpt on each side
ACCOUNT = "registry admin forget-person NAME"
KEPT = "none: history keeps it; version purge gives up the bytes of files"
COUNTED = "none: it is deleted after 30 days"
HASHED = "none: the hash of the entry covers it"
_DOCUMENTS = frozenset({"tags", "claimed", "reply", "document", "facts"})


@dataclass(frozen=True, slots=True)
class FoundText:
    """A place that holds the text. ``entry`` is the audit entry, for a text of one; ``remedy`` is what removes it."""

    place: str
    field: str
    excerpt: str
    remedy: str
    entry: str | None = None
    at: datetime | None = None
    subject: str | None = None


def find_text(text: str) -> Iterator[FoundText]:
    """Yield each place that holds *text*, in any case and Unicode form: first the texts of the log, oldest first."""
    needle = _casefolded(text)
    with reading(snapshot=True) as session, Cursors(session) as cursors:
        yield from _find_in_entries(cursors, needle)
        yield from _find_in_bytes(cursors, needle)
        for place, remedy, statement in _ELSEWHERE:
            for subject, field, value in cursors.rows(statement):
                if excerpt := _excerpt(field, {field: value} if place == "param" else value, needle):
                    yield FoundText(place, field, excerpt, remedy, subject=subject)


def _find_in_entries(cursors: Cursors, needle: str) -> Iterator[FoundText]:
    texts = (
        select(AuditEntry.uid, AuditEntry.at, AuditEntry.action, AuditEntry.aggregate, AuditText.field, AuditText.text,
               Model.name, Version.number)
        .join(AuditText, AuditText.entry_uid == AuditEntry.uid)
        .outerjoin(Model, Model.id == AuditEntry.model_id)
        .outerjoin(Version, Version.id == AuditEntry.version_id)
        .order_by(AuditEntry.id, AuditText.field)
    )  # fmt: skip
    for row in cursors.rows(texts):
        if excerpt := _excerpt(row.field, row.text, needle):
            subject = row.name if row.number is None else f"{row.name}:{row.number}"
            is_account = row.aggregate == "auth" and row.field != "reason"
            remedy = ACCOUNT if is_account else f"registry audit redact {row.uid} --field {row.field}"
            yield FoundText(row.action, row.field, excerpt, remedy, row.uid, row.at, subject)


def _find_in_bytes(cursors: Cursors, needle: str) -> Iterator[FoundText]:
    """Yield the entries whose hashed bytes have the text: what was changed, as aliases, and the id of the request."""
    entries = select(AuditEntry.uid, AuditEntry.at, AuditEntry.action, AuditEntry.body).order_by(AuditEntry.id)
    for row in cursors.rows(entries):
        document = _parse_json(row.body.decode(errors="replace"))
        if isinstance(document, dict):  # without the model's name and identifiers, which are found elsewhere
            document = {name: document.get(name) for name in ("before", "after", "client_req")}
        if excerpt := _excerpt("body", document, needle):
            yield FoundText(row.action, "body", excerpt, HASHED, row.uid, row.at)


_VERSION = Model.name + ":" + cast(Version.number, String)


def _of_versions(table: Any, field: Any, value: Any) -> Rows:
    """Select the named version, the field and the value of each row of *table*."""
    rows = select(_VERSION, field, value).select_from(table)
    return rows.join(Version, Version.id == table.version_id).join(Model, Model.id == Version.model_id)


def _select_version_texts(column: Any) -> Rows:
    """Select the named version, the column's name and its value of each version that has one."""
    rows = select(_VERSION, literal(column.key), column).join(Model, Model.id == Version.model_id)
    return rows.where(column.is_not(None))


_NAME, _PATH, _REPLY, _ADDRESS = literal("name"), literal("path"), literal("reply"), literal("address")
_TARGET = literal("target")
_SHOWN = (Version.framework, Version.signature, Version.run_id, Version.run_link, Version.logged_model)
_ALIASES = select(Model.name, literal("alias"), AliasTenure.alias).join(Model, Model.id == AliasTenure.model_id)
# Place, remedy, and a statement for subject, field and value of each row.
_ELSEWHERE: tuple[tuple[str, str, Rows], ...] = (
    ("token", "registry admin forget-person, for its owner", select(Token.id, _NAME, Token.name)),
    ("account", ACCOUNT, select(Account.name, _NAME, Account.name).where(Account.kind == ActorKind.USER)),
    ("model", "registry model rename; the log keeps the name", select(Model.name, _NAME, Model.name)),
    ("former name", KEPT, select(Model.name, _NAME, FormerName.name).join(FormerName, FormerName.model_id == Model.id)),
    ("alias", KEPT, _ALIASES),
    (
        "waiting alias",
        "none: it goes when the version is ready",
        _of_versions(AliasRequest, literal("alias"), AliasRequest.alias),
    ),
    *(("version", KEPT, _select_version_texts(column)) for column in _SHOWN),
    ("metric", KEPT, _of_versions(VersionMetric, literal("metric"), VersionMetric.key)),
    ("metric", KEPT, _of_versions(VersionMetric, literal("dataset_name"), VersionMetric.dataset_name)),
    ("metric", KEPT, _of_versions(VersionMetric, literal("slice"), VersionMetric.slice)),
    ("param", KEPT, _of_versions(VersionParam, VersionParam.key, VersionParam.value)),
    ("lineage", KEPT, select(LineageNode.name, LineageNode.kind, LineageNode.attributes)),
    ("policy", KEPT, select(StoredPolicy.digest, literal("document"), StoredPolicy.document)),
    # The verdicts have no other values than these facts and the policy.
    ("evaluation of gates", KEPT, _of_versions(GateEvaluation, literal("facts"), GateEvaluation.facts)),
    ("check", KEPT, _of_versions(VersionCheck, _NAME, VersionCheck.name)),
    ("hold", KEPT, select(cast(Hold.id, String), _TARGET, Hold.target)),
    ("request", KEPT, select(cast(Request.id, String), _TARGET, Request.target)),
    ("request", KEPT, select(cast(Request.id, String), literal("last_refusal"), Request.last_refusal)),
    ("file", KEPT, _of_versions(VersionFile, _PATH, VersionFile.path)),
    ("artifact", "delete the file", select(Artifact.path, _PATH, Artifact.path)),
    ("import", KEPT, select(Import.source, literal("request"), Import.facts)),
    ("import", KEPT, select(Import.id, literal("source"), Import.source)),
    ("import", KEPT, select(Import.id, literal("ignored"), Import.ignored)),
    ("login failure", "none: it is deleted within a day", select(LoginFailure.kind, _ADDRESS, LoginFailure.subject)),
    ("refusal", COUNTED, select(Refusal.action, _ADDRESS, Refusal.address)),
    ("download", COUNTED, select(Download.model, _ADDRESS, Download.address)),
    ("kept reply", "none: it is deleted after 7 days", select(IdempotencyKey.key, _REPLY, IdempotencyKey.reply)),
)


def _excerpt(field: str, value: Any, needle: str) -> str | None:
    """Return where the value has the text, with what is around it; also where JSON writes it with escapes."""
    if field in _DOCUMENTS and isinstance(value, str):
        value = _parse_json(value)
    for text in _strings(value):
        plain = _casefolded(text)
        if (at := plain.find(needle)) >= 0:
            return plain[max(0, at - AROUND) : at + len(needle) + AROUND]
    return None


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            strings = list(_strings(inner))
            yield from (f"{key}={text}" for text in strings or [""])
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)
    elif value is not None:
        yield str(value)


def _parse_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _casefolded(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()
