"""The form of an API token and its keyed hash.

``mr`` + kind (``p`` personal, ``s`` browser session, ``b`` bootstrap) + ``_`` + 12 characters of lookup id + 32 of
secret (190 bits) + 6 of CRC32 over all before, in base 62: 54 characters that a double click selects whole, that a
secret scanner finds, and whose typos are refused without a query.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import re
import secrets
import string
import zlib
from dataclasses import dataclass

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
ID_LENGTH, SECRET_LENGTH, CHECKSUM_LENGTH = 12, 32, 6
_API = re.compile(r"mr[pb]_[0-9A-Za-z]{50}\Z")
_SESSION = re.compile(r"mrs_[0-9A-Za-z]{50}\Z")


@dataclass(frozen=True, slots=True)
class NewToken:
    """``text`` is shown once and never stored; ``id``, ``hash`` and the id of the hash's key are."""

    id: str
    text: str
    hash: str
    key_id: str


def issue(kind: str, *, pepper: bytes) -> NewToken:
    """Return a fresh random token of that kind."""
    token_id = _random(ID_LENGTH)
    start = f"mr{kind}_{token_id}{_random(SECRET_LENGTH)}"
    text = start + _checksum(start)
    return NewToken(token_id, text, keyed_hash(text, pepper=pepper), key_id(pepper))


def lookup_id(text: str) -> str | None:
    """Return the id inside a well-formed API token; None for anything else, typos and sessions included."""
    return _id_of(text) if _API.match(text) else None


def session_id(text: str) -> str | None:
    """Return the id inside a well-formed token of a browser session; None for anything else."""
    return _id_of(text) if _SESSION.match(text) else None


def _id_of(text: str) -> str | None:
    if _checksum(text[:-CHECKSUM_LENGTH]) != text[-CHECKSUM_LENGTH:]:
        return None
    return text[4 : 4 + ID_LENGTH]


def keyed_hash(text: str, *, pepper: bytes) -> str:
    """HMAC-SHA256 of the token as hex: of no use to a thief of the database who has not the pepper."""
    return hmac.new(pepper, text.encode(), hashlib.sha256).hexdigest()


def matches(text: str, stored: str, *, pepper: bytes) -> bool:
    """Return whether *text* is the token whose hash is *stored*, compared in constant time."""
    return hmac.compare_digest(keyed_hash(text, pepper=pepper), stored)


@functools.cache
def key_id(pepper: bytes) -> str:
    """Return the name of a pepper: 16 hex digits that do not reveal it."""
    return hashlib.sha256(b"token key id\x00" + pepper).hexdigest()[:16]


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def _checksum(text: str) -> str:
    number, digits = zlib.crc32(text.encode()), ""
    for _ in range(CHECKSUM_LENGTH):
        number, digit = divmod(number, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits
