"""Receipts: the audit entry that the answer to a write names."""

from __future__ import annotations

from dataclasses import dataclass

from flask import g
from sqlalchemy.orm import Session

from registry.rules.audit_log.entries import leaf_data, leaf_hash
from registry.rules.audit_log.tiles import MAX_ENTRY

RECORDED = "audit_receipt"  # of a session's info: the receipt of its transaction, if it has appended an entry
_COMMITTED = "audit_receipt"  # of flask.g: that of the request


@dataclass(frozen=True, slots=True)
class Receipt:
    """The id of an entry, and the hash of its leaf in the sealed log, as hex."""

    entry: str
    leaf: str


def note(session: Session, entry: str, body: bytes, link: str, *, aside: bool) -> None:
    """Note an entry of the session's transaction; the latest one is that of the answer, or the first one *aside*.

    *link* is the hash of its bytes, by which its chain links it.
    """
    if not aside or RECORDED not in session.info:
        session.info[RECORDED] = Receipt(entry, link if len(body) <= MAX_ENTRY else leaf_hash(leaf_data(body)))


def keep(receipt: Receipt | None) -> None:
    """Make *receipt*, of a unit of work that is committed, that of the request, unless it is None."""
    if receipt is not None:
        setattr(g, _COMMITTED, receipt)


def current() -> Receipt | None:
    """Return the receipt of the request; None when it has appended no entry."""
    receipt: Receipt | None = g.get(_COMMITTED)
    return receipt
