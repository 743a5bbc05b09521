"""The secret keys of a registry: keys derived for each purpose, fingerprints, and which key a database expects."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from enum import StrEnum

FINGERPRINT_DIGITS = 16


class KeyStanding(StrEnum):
    """Relation of a process's key to the keys that the database has recorded."""

    CURRENT = "current"
    FIRST = "first"  # the database has recorded none
    NEXT = "next"  # it replaces the current one, which the process accepts as a previous key
    SUPERSEDED = "superseded"  # an earlier one, in a process that accepts its successor too
    FOREIGN = "foreign"


def derived(secret: str, purpose: str) -> bytes:
    """Return the key for one purpose, which reveals neither the secret nor the key of another purpose."""
    return hmac.new(secret.encode(), purpose.encode(), hashlib.sha256).digest()


def fingerprint(secret: str) -> str:
    """Return 16 hex digits that name the secret and do not reveal it."""
    return derived(secret, "fingerprint").hex()[:FINGERPRINT_DIGITS]


def standing(recorded: Sequence[str], own: Sequence[str]) -> KeyStanding:
    """Return the standing of ``own[0]``; both lists have fingerprints, the newest key first.

    The rest of *own* are keys that the process accepts besides. While the keys of several processes are replaced one
    after the other, those with the earlier key go on; none of them makes its key the current one again.
    """
    if not recorded:
        return KeyStanding.FIRST
    if recorded[0] == own[0]:
        return KeyStanding.CURRENT
    if recorded[0] not in own:
        return KeyStanding.FOREIGN
    return KeyStanding.SUPERSEDED if own[0] in recorded else KeyStanding.NEXT
