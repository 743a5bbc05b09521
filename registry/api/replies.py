"""Replies: the result of a service, rendered and sent, once for each ``Idempotency-Key``.

A repetition of a request that was done is answered with what the request wrote, as it is now.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from flask import Request, Response, g
from werkzeug import Response as BaseResponse

from registry.domain.errors import Malformed, PreconditionFailed
from registry.http import bodies, strict_json
from registry.http.access import idempotency_key
from registry.http.context import below_prefix, current_actor, current_request
from registry.services import idempotency
from registry.services.audit import receipts
from registry.services.idempotency import Claim, Outcome, Repeated

Recall = Callable[[Outcome], Any]
_sorted = json.JSONEncoder(sort_keys=True).encode
# As WSGI spells the headers: a request of another kind, which is most, costs one look at its environment.
_CONDITIONS = frozenset(
    f"HTTP_{name}"
    for name in ("IF_MATCH", "IF_NONE_MATCH", "IF_MODIFIED_SINCE", "IF_UNMODIFIED_SINCE", "IF_RANGE", "RANGE")
)


@dataclass(frozen=True, slots=True)
class Reply:
    """The parts of a response that depend on the result."""

    status: int
    body: dict[str, Any]
    etag: str | None = None
    location: str | None = None


def answer(call: Callable[[], Any], render: Callable[[Any], Reply], recall: Recall | None) -> BaseResponse:
    """Return the response to the request: *render* makes it of what *call* does, or of what *recall* reads.

    *call* passes ``current_claim()`` on to the service. *recall* returns the result of an earlier request as it is now;
    None for a view that changes nothing.
    """
    request = current_request()
    key = idempotency_key(request)
    if key is not None and not idempotency.is_key(key):
        raise Malformed("Idempotency-Key takes 1 to 128 visible ASCII characters")
    if key is None or recall is None:
        result = call()
        return result if isinstance(result, BaseResponse) else _send(request, render(result))
    g.claim = claim = Claim(current_actor(), key, _fingerprint(request), g.pop("key_query", None))
    try:
        with idempotency.once(claim):
            result = call()
    except Repeated as repeated:
        receipts.keep(repeated.receipt)
        if kept := repeated.reply:
            return _send(request, Reply(kept.status, kept.body, kept.etag, kept.location), replayed=True)
        return _send(request, render(recall(repeated.outcome)), replayed=True)
    return _send(request, render(result))


def _send(request: Request, reply: Reply, *, replayed: bool = False) -> BaseResponse:
    """Return the response; *replayed* marks that of a request that was done before. Raises PreconditionFailed."""
    response = Response(strict_json.dumps(reply.body), reply.status, content_type="application/json")
    if reply.etag:
        response.headers["ETag"] = reply.etag
    if reply.location:
        response.headers["Location"] = below_prefix(reply.location)
    if replayed:
        response.headers["Idempotency-Replayed"] = "true"
    if request.method not in {"GET", "HEAD"} or _CONDITIONS.isdisjoint(request.environ):
        return response
    conditional = response.make_conditional(request)
    if conditional.status_code == HTTPStatus.PRECONDITION_FAILED:
        raise PreconditionFailed("it is not, or no longer, the one that If-Match names")
    return conditional


def _fingerprint(request: Request) -> str:
    """Return the digest of the request, equal for bodies that differ in the spelling of their JSON only."""
    parts = (request.method, request.full_path, request.headers.get("If-Match", ""))
    body = bodies.read(request)
    with suppress(ValueError, RecursionError):  # where no view has read the body it may be no JSON
        body = _sorted(g.document if "document" in g else json.loads(body)).encode()
    return hashlib.sha256("\n".join(parts).encode() + b"\n" + body).hexdigest()
