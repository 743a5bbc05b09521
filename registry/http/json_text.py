"""Write a document as JSON."""

from __future__ import annotations

import json
from typing import Any

import orjson


def encode(document: Any) -> bytes:
    """Return the document in UTF-8; whole numbers beyond 64 bits, which orjson does not take, are written too."""
    try:
        return orjson.dumps(document)
    except orjson.JSONEncodeError:
        return json.dumps(document).encode()
