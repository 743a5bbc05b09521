"""An entry's bytes: their one spelling, their hash, what the sealed log has of them, and commitments to texts.

The hash that links the entries of a chain is the RFC 6962 leaf hash of an entry's bytes. Of all entries but very large
ones it is also the entry's leaf in the sealed log.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any, NoReturn

from .tiles import MAX_ENTRY

FORMAT = 1  # of an entry's bytes
MAX_BODY = 16 * 1024 * 1024
LARGEST_INTEGER = 2**53 - 1  # RFC 8785: the largest that every JSON reader keeps
LARGE = "large-entry"
MALFORMED = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_encode_sorted = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode


class Broken(Exception):
    """The first entry that does not fit; the text has the entry and the reason."""


class Unfamiliar(Broken):
    """An entry of a later release, which this one cannot judge."""


def leaf_hash(body: bytes) -> str:
    """Return the hash by which a chain links an entry: RFC 6962's leaf hash of its bytes, as hex."""
    return hashlib.sha256(b"\x00" + body).hexdigest()


def leaf_data(body: bytes) -> bytes:
    """Return the data of an entry's leaf in the sealed log: the entry's bytes, or what stands for them.

    A bundle of entries (C2SP tlog-tiles) has room for 65,535 bytes. For a larger entry the leaf is a JSON document with
    its hash and size, which no entry is equal to.
    """
    return body if len(body) <= MAX_ENTRY else stand_in(leaf_hash(body), len(body))


def stand_in(leaf_hash: str, size: int) -> bytes:
    """Return the leaf data of an entry that is larger than MAX_ENTRY, from its hash and its number of bytes."""
    return _encode_sorted({"leaf_hash": leaf_hash, "size": size, "type": LARGE, "v": FORMAT}).encode()


def commitment(salt: bytes, text: str) -> str:
    """Return a value that fixes *text* without showing it: HMAC-SHA256 keyed with the salt, as hex."""
    return hmac.new(salt, text.encode(), hashlib.sha256).hexdigest()


def read_entry(body: bytes) -> dict[str, Any]:
    """Return the document that an entry's bytes spell.

    The bytes must be the RFC 8785 form of the document, so that every reader finds the same one in them: no member
    twice, sorted names, integers below 2**53. Raises Unfamiliar for another format, and one of MALFORMED.
    """
    if len(body) > MAX_BODY:
        raise ValueError(f"an entry has at most {MAX_BODY} bytes")
    document = json.loads(body, parse_int=_integer, parse_float=_refuse_fraction, parse_constant=_refuse_constant)
    if document["v"] != FORMAT:
        raise Unfamiliar(f"its format {document['v']!r} is unknown to this release")
    spelled = _encode_sorted(document) if body.isascii() else _encode(_sorted_as_utf16(document))
    if spelled.encode() != body:
        raise ValueError("the bytes are not the RFC 8785 form of their document")
    return dict(document)


def _sorted_as_utf16(value: Any) -> Any:
    """Return *value* with the members of its objects in the order of RFC 8785: by UTF-16 code units."""
    if isinstance(value, dict):
        return {
            name: _sorted_as_utf16(value[name]) for name in sorted(value, key=lambda name: name.encode("utf-16-be"))
        }
    if isinstance(value, list):
        return [_sorted_as_utf16(item) for item in value]
    return value


def _integer(digits: str) -> int:
    number = int(digits)
    if abs(number) > LARGEST_INTEGER:
        raise ValueError(f"the number {digits} is not below 2**53")
    return number


def _refuse_fraction(number: str) -> NoReturn:
    raise Unfamiliar(f"the number {number[:40]} is not an integer, as all numbers of format {FORMAT} are")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
