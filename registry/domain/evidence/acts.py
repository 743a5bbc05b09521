"""What facts rest on: entries, digests in them, or rows; and acts, which attest them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Basis(StrEnum):
    """What a fact rests on.

    ``entries``: it follows from the entries in the archive. ``digest``: it is a row of the database, and an entry in
    the archive has its digest. ``row``: it is a row of the database, and no entry covers it.
    """

    ENTRIES = "entries"
    DIGEST = "digest"
    ROW = "row"


@dataclass(frozen=True, slots=True)
class Act:
    """An entry of the audit log as the attestation of a fact: who did it, with which roles, when and why.

    ``name`` is null where the account's name was erased. ``token`` and ``roles`` are null for what the registry did by
    itself. ``issuer`` is the account that created the token, where that is another one. ``redacted`` states that the
    reason was erased.
    """

    position: int
    entry: str
    at: str
    action: str
    account: str
    name: str | None
    kind: str
    token: str | None
    roles: tuple[str, ...] | None
    issuer: str | None
    reason: str | None
    redacted: bool
