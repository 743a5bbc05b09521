"""An audit entry's bytes, the hash chain over the entries of one aggregate, and the seal of each entry.

The leaf hash is RFC 6962's: SHA-256 over a zero byte and the entry's bytes. Free text stays outside of the hashed
bytes: they hold a salted commitment to it, so that a text can be erased later without breaking the chain. The seal is
keyed with the service's secret: without that, SQL alone cannot append an entry or rewrite a chain.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from registry.domain import canonical_json, clock
from registry.domain.access import Actor
from registry.rules.audit_log.entries import FORMAT, commitment, leaf_hash

__all__ = ["FORMAT", "AuditEntryDraft", "body", "commitment", "key_id", "leaf_hash", "seal"]


@dataclass(frozen=True, slots=True)
class AuditEntryDraft:
    """An audit entry before it is recorded. ``texts`` are stored apart from the hashed bytes, which commit to them.

    ``facts`` are for verification only: digests of the rows that this entry wrote (``registry.domain.fact_digests``).
    """

    action: str
    subject: Mapping[str, Any]
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


def body(
    draft: AuditEntryDraft,
    *,
    id: str,
    at: datetime,
    aggregate: str,
    seq: int,
    previous: str,
    actor: Actor,
    salts: Mapping[str, bytes],
) -> bytes:
    """Return the entry as RFC 8785 bytes, exactly as they are hashed and stored."""
    return canonical_json.dumps(
        {
            "v": FORMAT,
            "id": id,
            "ts": clock.wire(at),
            "agg": aggregate,
            "seq": seq,
            "prev": previous,
            "action": draft.action,
            "actor": {"id": actor.id, "kind": str(actor.kind), "cred": actor.token_id or ""}
            | ({"issuer": actor.issuer_id} if actor.is_issued_by_another else {}),
            "subject": dict(draft.subject),
            "before": dict(draft.before),
            "after": dict(draft.after),
            "digests": dict(draft.digests),
            "commit": {name: commitment(salts[name], text) for name, text in draft.texts.items()},
            "facts": dict(draft.facts),
            "req": actor.request_id or "",
            **({"client_req": actor.client_request_id} if actor.client_request_id else {}),
        }
    )


def seal(key: bytes, leaf: str) -> str:
    """Return ``<key id>:<HMAC-SHA256>`` over a leaf hash, both in hex."""
    return f"{key_id(key)}:{hmac.new(key, leaf.encode(), hashlib.sha256).hexdigest()}"


@functools.cache
def key_id(key: bytes) -> str:
    """Return the name of a sealing key: eight hex digits that do not reveal it."""
    return hashlib.sha256(b"audit key id\x00" + key).hexdigest()[:8]
