"""Opaque, signed cursors of lists, and other signed texts that clients send back."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from flask import request
from itsdangerous import BadData, URLSafeSerializer

from registry.domain.errors import Malformed
from registry.http.context import settings


def of(position: Sequence[Any] | None) -> str | None:
    """Return the cursor of the list at this address that continues after *position*; None on the last page."""
    return None if position is None else str(_signer().dumps(list(position)))


def position(cursor: str | None) -> tuple[Any, ...] | None:
    """Return the position in a cursor of the list at this address; None without one. Raises Malformed."""
    if cursor is None:
        return None
    try:
        return tuple(_signer().loads(cursor))
    except BadData as error:
        raise Malformed("this list did not issue this cursor; use next_cursor unchanged, with the same path") from error


def seal(purpose: str, values: Sequence[Any]) -> str:
    """Return an opaque, signed text of *values*, which :func:`unseal` reads for the same purpose."""
    return str(_signer(purpose).dumps(list(values)))


def unseal(purpose: str, text: str) -> list[Any]:
    """Return the values of :func:`seal`. Raises Malformed."""
    try:
        return list(_signer(purpose).loads(text))
    except BadData as error:
        raise Malformed(
            f"this registry did not issue this {purpose}; use one from an earlier answer unchanged"
        ) from error


def _signer(purpose: str = "") -> URLSafeSerializer:
    """Return a signer for one list, so that no other list accepts its cursors, or for another *purpose*."""
    return URLSafeSerializer(
        settings().secret_keys[::-1],  # the last one signs
        salt=purpose or f"cursor:{request.path}",
        signer_kwargs={"digest_method": hashlib.sha256},
    )
