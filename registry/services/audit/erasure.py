"""Erasure of personal data that the audit log commits to: a text of an entry, or the name of an account.

The erasure is itself an entry, by which verification accepts that the text is gone. Values that the text had set are
erased with it, and the entry lists what is left. On PostgreSQL only the owner of the tables may erase.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import delete, exc, or_, select
from sqlalchemy.orm import Session

from registry.db import times
from registry.db.base import Chained
from registry.db.models import Account, AuditEntry, AuditText, Import, Model, ModelTag, Token, Version, VersionTag
from registry.db.queries import catalog
from registry.db.session import transaction
from registry.domain import confusables, fact_digests
from registry.domain.access import SYSTEM, ActorKind, TokenPurpose
from registry.domain.audit import AuditEntryDraft
from registry.domain.errors import Conflict, Invalid, NotFound
from registry.domain.replay.access import erased_name
from registry.domain.replay.entry import CLEARED, ERASED
from registry.services.audit import row_seals
from registry.services.audit.recording import AUTH, begin, lock_chain, record, texts

_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DENIED = "42501"  # PostgreSQL: insufficient_privilege


@dataclass(slots=True)
class Redaction:
    """Values erased with the text *text* of an entry.

    They are columns and tags (by their keys) of *subject*, a model or version.
    """

    entry: str
    text: str
    subject: str = ""
    cleared: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)


def erase_text(entry_id: str, field: str, *, reason: str, keys: Collection[str] = ()) -> Redaction:
    """Delete one text of an entry, and what it set where that is still shown.

    Of a text with tags all tags go that still have its values, or those of *keys*; the others are stated again in the
    new entry. Raises NotFound, or Invalid without a reason or for a key that the text does not have. Raises Conflict
    for the name of an account, and for a text that this user may not erase.
    """
    _require(reason)
    is_id = _ID.fullmatch(entry_id)  # PostgreSQL takes nothing else for a UUID
    with _allowed() as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.uid == entry_id)).first() if is_id else None
        if entry is None:
            raise NotFound(f"there is no audit entry {entry_id}")
        chain = _lock_chain_of(session, entry)
        text = session.get(AuditText, (entry.uid, field))
        if text is None:
            has = session.scalars(select(AuditText.field).where(AuditText.entry_uid == entry.uid))
            there = ", ".join(sorted(has)) or "none"
            raise NotFound(f"the audit entry {entry_id} has no text {field!r}; its texts: {there}")
        if entry.aggregate == AUTH and field != "reason":
            raise Conflict(f"the text {field!r} is an account's name; erase that: registry admin forget-person NAME")
        value = text.text
        session.expunge(text)
        _delete(session, [(entry.uid, field)])
        event, done, said = begin(chain), Redaction(entry.uid, field), texts(reason=reason)
        subject: dict[str, Any] = {}
        version = None if entry.version_id is None else session.get_one(Version, entry.version_id)
        if isinstance(chain, Model):
            subject = {"model": chain.name} | ({} if version is None else {"version": version.number})
            done.subject = chain.name if version is None else f"{chain.name}:{version.number}"
            _clear(session, version or chain, done, value, keys)
            if done.tags or field == "tags":
                said["tags"] = json.dumps(_tags_of(session, version or chain), sort_keys=True)
            if done.cleared or done.tags:
                catalog.touch(version or chain, event.at)
            if version is not None:
                _forget_imported(session, version, field)
        draft = AuditEntryDraft(
            ERASED, subject, before={"entry": entry.uid, "text": field},
            texts=said, facts={"erased": [[entry.uid, field]], CLEARED: done.cleared},
        )  # fmt: skip
        record(session, chain, event, draft, actor=SYSTEM, version=version)
        return done


def _clear(session: Session, owner: Model | Version, done: Redaction, value: str, keys: Collection[str]) -> None:
    """Remove from *owner* what the text set and nothing has replaced since."""
    if keys and done.text != "tags":
        raise Invalid.field("keys", "are those of tags; the text is another one")
    if done.text == "tags":
        _clear_tags(session, owner, done, json.loads(value), keys)
    elif done.text == "claimed":
        if owner.claimed is not None and fact_digests.same(owner.claimed, json.loads(value)):
            owner.claimed = None
            done.cleared.append("claimed")
    elif done.text == "description" and owner.description == value:
        owner.description = ""
        done.cleared.append("description")
    elif done.text in {"source", "location"} and isinstance(owner, Version) and getattr(owner, done.text) == value:
        setattr(owner, done.text, None)
        done.cleared.append(done.text)


def _clear_tags(
    session: Session, owner: Model | Version, done: Redaction, said: Mapping[str, str | None], keys: Collection[str]
) -> None:
    if unknown := sorted(set(keys) - said.keys()):
        raise Invalid.field("keys", f"{unknown[0]!r} is not among the tags of the text: {', '.join(sorted(said))}")
    tags = _tags_of(session, owner)
    done.tags = sorted(key for key in keys or said if key in tags and tags[key] == said[key])
    table, column = (VersionTag, VersionTag.version_id) if isinstance(owner, Version) else (ModelTag, ModelTag.model_id)
    session.execute(delete(table).where(column == owner.id, table.key.in_(done.tags)))


def _tags_of(session: Session, owner: Model | Version) -> dict[str, str]:
    table, column = (VersionTag, VersionTag.version_id) if isinstance(owner, Version) else (ModelTag, ModelTag.model_id)
    return dict(session.execute(select(table.key, table.value).where(column == owner.id)).all())


def _forget_imported(session: Session, version: Version, field: str) -> None:
    """Remove the text from the facts of the version's import, and seal the row again if it bore a seal."""
    if field not in {"description", "tags"}:
        return
    asked = select(Import).where(
        Import.model_id == version.model_id, or_(Import.version_id == version.id, Import.number == version.number)
    )
    for row in session.scalars(asked):
        if field in row.facts:
            was_genuine = row_seals.is_true(row.seal, row_seals.import_leaf(row))
            row.facts = {name: value for name, value in row.facts.items() if name != field}
            if was_genuine:
                row_seals.seal_import(row)


def erase_account(name: str, *, reason: str) -> str:
    """Replace an account's name by a meaningless one, everywhere it is shown; return the new name.

    Removes the names of its tokens too. Raises NotFound, Invalid without a reason or for one that contains the name,
    or Conflict while a token of the account is valid, or where the database's user may not.
    """
    _require(reason)
    if re.search(rf"(?<!\w){re.escape(name.casefold())}(?!\w)", reason.casefold()):
        raise Invalid.field("reason", f"must not contain {name!r}: the history shows the reason")
    with _allowed() as session:
        chain = lock_chain(session, AUTH)
        account = session.scalars(select(Account).where(Account.name == name)).first()
        if account is None or account.kind != ActorKind.USER:
            raise NotFound(f"there is no account {name!r} of a user")
        valid = select(Token.id).where(  # without one, no session is valid
            Token.account_id == account.id,
            Token.purpose == TokenPurpose.API,
            Token.revoked_at.is_(None),
            Token.expires_at > times.now(),
        )
        if token := session.scalars(valid.limit(1)).first():
            raise Conflict(f"the token {token} of {name!r} is valid; revoke it first")
        account.name = erased_name(account.id)
        account.look = confusables.look(account.name)
        gone = _naming(session, account.id, name)
        _delete(session, gone)
        facts = {"erased": [list(each) for each in gone], "tokens": _clear_token_names(session, account.id)}
        draft = AuditEntryDraft("account.erased", {"account": account.id}, texts=texts(reason=reason), facts=facts)
        record(session, chain, begin(chain), draft, actor=SYSTEM)
        return account.name


def _require(reason: str) -> None:
    if not reason.strip():
        raise Invalid.field("reason", "must give the reason for the erasure: the history shows it")


def _naming(session: Session, account_id: str, name: str) -> list[tuple[str, str]]:
    """Return the texts of the chain ``auth`` that hold the account's name."""
    statement = (
        select(AuditText.entry_uid, AuditText.field)
        .join(AuditEntry, AuditEntry.uid == AuditText.entry_uid)
        .where(
            AuditEntry.aggregate == AUTH,
            AuditText.text == name,
            AuditText.field.in_(["owner", account_id.replace("-", "")]),
        )
    )
    return [(uid, field) for uid, field in session.execute(statement)]


def _clear_token_names(session: Session, account_id: str) -> dict[str, str]:
    """Remove the names of the account's tokens; return the digest of each token that had one."""
    named = list(session.scalars(select(Token).where(Token.account_id == account_id, Token.name != "")))
    for token in named:
        token.name = ""
    return {token.id: fact_digests.token(token.hash, token.name) for token in named}


def _delete(session: Session, gone: Sequence[tuple[str, str]]) -> int:
    done = 0
    for uid, name in gone:
        one = delete(AuditText).where(AuditText.entry_uid == uid, AuditText.field == name)
        done += session.connection().execute(one).rowcount
    return done


def _lock_chain_of(session: Session, entry: AuditEntry) -> Chained:
    if entry.model_id is None:
        return lock_chain(session, entry.aggregate)
    model = select(Model).where(Model.id == entry.model_id)
    return session.scalars(model.with_for_update().execution_options(populate_existing=True)).one()


@contextmanager
def _allowed() -> Iterator[Session]:
    """Open a transaction; a privilege that the database's user lacks is a Conflict that names the remedy."""
    try:
        with transaction() as session:
            yield session
    except exc.ProgrammingError as error:
        if getattr(error.orig, "sqlstate", None) != _DENIED:
            raise
        raise Conflict(
            "the user of REGISTRY_DATABASE_URL may not erase; run this command with the URL of the tables' owner"
        ) from error
