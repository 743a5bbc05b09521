"""Receipts: the audit entry that the answer to a write names."""

from __future__ import annotations

from dataclasses import dataclass

from flask import g
from sqlalchemy.orm import Session

from registry.rules.audit_log.entries import leaf_data, leaf_hash

_RECORDED = "audit_receipt"  # of a session's info: the receipt of its transaction
_COMMITTED = "audit_receipt"  # of flask.g: that of the request


@dataclass(frozen=True, slots=True)
class Receipt:
    """The id of an entry, and the hash of its leaf in the sealed log, as hex."""

    entry: str
    leaf: str


def begin(session: Session) -> None:
    """Forget what an earlier transaction of the session has recorded."""
    session.info.pop(_RECORDED, None)


def note(session: Session, entry: str, body: bytes, *, aside: bool) -> None:
    """Note an entry of the session's transaction; the latest one is that of the answer, or the first one *aside*."""
    if not aside or _RECORDED not in session.info:
        session.info[_RECORDED] = Receipt(entry, leaf_hash(leaf_data(body)))


def recorded(session: Session) -> Receipt | None:
    """Return the receipt of the session's transaction; None when it has appended no entry."""
    return session.info.get(_RECORDED)


def keep(receipt: Receipt | None) -> None:
    """Make *receipt*, of a unit of work that is committed, that of the request, unless it is None."""
    if receipt is not None:
        setattr(g, _COMMITTED, receipt)


def current() -> Receipt | None:
    """Return the receipt of the request; None when it has appended no entry."""
    receipt: Receipt | None = g.get(_COMMITTED)
    return receipt
