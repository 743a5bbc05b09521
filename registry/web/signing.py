"""Signed texts for a session: CSRF tokens and notices."""

from __future__ import annotations

import hashlib

from itsdangerous import URLSafeTimedSerializer

from registry.http.context import current_credential, settings


def session_id() -> str:
    """Return the id of the present session; "" in development mode, and before a login."""
    credential = current_credential()
    return credential.id if credential else ""


def signer(purpose: str) -> URLSafeTimedSerializer:
    """Return the serializer that signs texts for one purpose and verifies them with their age."""
    return URLSafeTimedSerializer(
        settings().secret_keys[::-1],  # the last one signs
        salt=f"web {purpose}",
        signer_kwargs={"digest_method": hashlib.sha256},
    )
