"""Forms that change data: validation, idempotent execution, and the redirect to the result."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar

from flask import Response, g, redirect, request
from marshmallow import Schema

from registry.db.retry import persistently
from registry.domain.errors import Malformed, RegistryError, Unavailable
from registry.domain.states import ActOutcome
from registry.http import refusals
from registry.http.context import current_actor, current_request
from registry.services import idempotency
from registry.services.audit import receipts
from registry.services.idempotency import Claim, Outcome, Repeated
from registry.telemetry.meters import meters
from registry.web import csrf, forms, notices
from registry.web.errors import refusal_of
from registry.web.notices import Notice
from registry.web.pages import WebPage
from registry.web.rendering import is_partial, page

T = TypeVar("T")
KEY = "idempotency_key"
_UNSENT = frozenset({csrf.FIELD, KEY})
_INCOMPLETE = (
    "the form is incomplete: it lacks the key with which it is done only once, or has one that no page makes. "
    "Nothing was changed. Open the form again, and send that one"
)


@dataclass(frozen=True, slots=True)
class Done:
    """The address of the result of an act, and the notice shown there."""

    location: str
    text: str
    links: Sequence[tuple[str, str]] = ()


def act(
    shown: WebPage,
    schema: type[Schema],
    *,
    do: Callable[[dict[str, Any], Claim], T],
    recall: Callable[[Outcome], T],
    done: Callable[[T], Done | Response],
) -> Response:
    """Render the form, or execute it and redirect.

    *do* takes the loaded fields and the claim of the form's key. A second submission of the same form changes nothing:
    *recall* returns the result of the first, and the browser is sent to the same place. *done* may also return a page,
    for a result that is shown only once. A refusal renders the form again with the typed values, also that of a form
    without a key: sent twice, it would be executed twice.
    """
    if request.method != "POST":
        shown.key = secrets.token_urlsafe(16)
        return page(shown)
    sent = forms.sent(current_request())
    shown.values = sent
    shown.key = sent.get(KEY, "")
    try:
        if not idempotency.is_key(shown.key):
            raise Malformed(_INCOMPLETE)
        values = forms.load(schema, sent)
        claim = Claim(current_actor(), shown.key, _fingerprint())
        result, outcome = persistently(lambda: _do_once(claim, lambda: do(dict(values), claim), recall))
    except RegistryError as error:
        return _show_again(shown, error)
    meters().web_acts.labels(outcome.value).inc()
    finished = done(result)
    return finished if isinstance(finished, Response) else _leave(finished)


def _do_once(claim: Claim, do: Callable[[], T], recall: Callable[[Outcome], T]) -> tuple[T, ActOutcome]:
    g.claim = claim
    try:
        with idempotency.once(claim):
            return do(), ActOutcome.DONE
    except Repeated as repeated:
        receipts.keep(repeated.receipt)
        return recall(repeated.outcome), ActOutcome.REPEATED


def _show_again(shown: WebPage, error: RegistryError) -> Response:
    """Render the form with the refusal. The key is kept if the same form can be sent again."""
    refusals.note(error)
    outcome = ActOutcome.FAILED if isinstance(error, Unavailable) else ActOutcome.REFUSED
    meters().web_acts.labels(outcome.value).inc()
    shown.refusal = refusal_of(error)
    shown.errors = error.extras.get("errors", {})
    if shown.refusal.status != HTTPStatus.SERVICE_UNAVAILABLE:
        shown.key = secrets.token_urlsafe(16)
    return page(shown, status=shown.refusal.status)


def _leave(done: Done) -> Response:
    if is_partial():
        response = Response(status=HTTPStatus.NO_CONTENT, headers={"HX-Redirect": done.location})
    else:
        response = redirect(done.location, HTTPStatus.SEE_OTHER, Response=Response)  # type: ignore[assignment]
    notices.carry(response, Notice(done.text, done.links))
    return response


def _fingerprint() -> str:
    """Return the digest of the request: its address and its fields."""
    fields = [pair for pair in forms.sent(current_request()).items(multi=True) if pair[0] not in _UNSENT]
    text = json.dumps([request.method, request.full_path, fields])
    return hashlib.sha256(text.encode()).hexdigest()
