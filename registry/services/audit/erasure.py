"""Erase personal data that the audit log commits to: a text of an entry, or the name of an account.

The erasure is itself an entry, by which verification accepts that the text is gone. On PostgreSQL only the owner of
the tables may erase.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import delete, exc, select
from sqlalchemy.orm import Session

from registry.db import times
from registry.db.base import Chained
from registry.db.models import Account, AuditEntry, AuditText, Model, Token
from registry.db.session import transaction
from registry.domain import confusables
from registry.domain.access import SYSTEM, ActorKind
from registry.domain.audit import Happening
from registry.domain.errors import Conflict, Invalid, NotFound
from registry.domain.replay.access import erased_name
from registry.domain.replay.entry import ERASED
from registry.services.audit.recording import AUTH, begin, lock_chain, record, texts

_DENIED = "42501"  # PostgreSQL: insufficient_privilege


def erase_text(entry_id: str, field: str, *, reason: str) -> None:
    """Delete one text of an entry. Raises NotFound, Invalid without a reason, or Conflict where this user may not."""
    _require(reason)
    with _allowed() as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.uid == entry_id)).first()
        if entry is None:
            raise NotFound(f"there is no audit entry {entry_id}")
        chain = _lock(session, entry)
        if not _delete(session, [(entry.uid, field)]):
            raise NotFound(f"the audit entry {entry_id} has no text {field!r}")
        subject = {"model": chain.name} if isinstance(chain, Model) else {}
        happening = Happening(
            ERASED, subject, before={"entry": entry.uid, "text": field},
            texts=texts(reason=reason), facts={"erased": [[entry.uid, field]]},
        )  # fmt: skip
        record(session, chain, begin(chain), happening, actor=SYSTEM)


def erase_account(name: str, *, reason: str) -> str:
    """Replace an account's name by one that says nothing, everywhere it is shown; returns that.

    Raises NotFound, Invalid without a reason, or Conflict while a token of the account is valid, or where the
    database's user may not.
    """
    _require(reason)
    with _allowed() as session:
        chain = lock_chain(session, AUTH)
        account = session.scalars(select(Account).where(Account.name == name)).first()
        if account is None or account.kind != ActorKind.USER:
            raise NotFound(f"there is no account {name!r} of a user")
        valid = select(Token.id).where(
            Token.account_id == account.id, Token.revoked_at.is_(None), Token.expires_at > times.now()
        )
        if token := session.scalars(valid.limit(1)).first():
            raise Conflict(f"the token {token} of {name!r} is valid; revoke it first")
        account.name = erased_name(account.id)
        account.look = confusables.look(account.name)
        gone = _naming(session, account.id, name)
        _delete(session, gone)
        happening = Happening(
            "account.erased", {"account": account.id},
            texts=texts(reason=reason), facts={"erased": [list(each) for each in gone]},
        )  # fmt: skip
        record(session, chain, begin(chain), happening, actor=SYSTEM)
        return account.name


def _require(reason: str) -> None:
    if not reason.strip():
        raise Invalid.field("reason", "must say why it is erased: history will show it")


def _naming(session: Session, account_id: str, name: str) -> list[tuple[str, str]]:
    """Return the texts of the chain ``auth`` that hold the account's name."""
    found = (
        select(AuditText.entry_uid, AuditText.field)
        .join(AuditEntry, AuditEntry.uid == AuditText.entry_uid)
        .where(
            AuditEntry.aggregate == AUTH,
            AuditText.text == name,
            AuditText.field.in_(["owner", account_id.replace("-", "")]),
        )
    )
    return [(uid, field) for uid, field in session.execute(found)]


def _delete(session: Session, gone: Sequence[tuple[str, str]]) -> int:
    done = 0
    for uid, field in gone:
        one = delete(AuditText).where(AuditText.entry_uid == uid, AuditText.field == field)
        done += session.connection().execute(one).rowcount
    return done


def _lock(session: Session, entry: AuditEntry) -> Chained:
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
