"""Log keys: the text of the Ed25519 seed that signs checkpoints of the audit log."""

from __future__ import annotations

import base64
import binascii
import re

SEED_BYTES = 32
FORMAT = f"{SEED_BYTES} random bytes, as {2 * SEED_BYTES} hex digits or in base 64"
_HEX = re.compile(rf"[0-9A-Fa-f]{{{2 * SEED_BYTES}}}")


def seed(text: str) -> bytes:
    """Return the seed in a text of hex digits or base 64. Raises ValueError, which does not show the text."""
    if _HEX.fullmatch(text):
        found = bytes.fromhex(text)
    else:
        try:
            found = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise ValueError(FORMAT) from None  # the cause would have the text
    if len(found) != SEED_BYTES or len(set(found)) < SEED_BYTES // 4:  # a random seed has about 30 different bytes
        raise ValueError(FORMAT)
    return found
