"""Answers that are not the registry's own: of a proxy, a gateway, a login page or a captive portal before it.

Only a problem document with a code is a refusal by the registry; only its status, not its text, is read of any other
answer. The text of a page is shown, because it names the program that answered.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests

from registry.client import errors
from registry.client.http import network, retry, urls

_READ = 4096  # bytes of an answer that are looked at
_SHOWN = 200
_SIGNED = re.compile(r"\S*(?:\?|/transfer/)\S*")  # a page may repeat the address, which is a credential
_ADDRESS = "Is this its address?"
_UNANSWERED = "The proxy there gets no answer from the registry: is it running, at the address that the proxy has"
_API = "The registry's API is at /api/v1 below its address: look at the address and its path, and at the proxy there"

LOGIN, PROXY_LOGIN, BODY = (
    "A gateway in front of it requires another login: let requests with a token pass",
    "The HTTP proxy of this machine requires a login: HTTPS_PROXY or HTTP_PROXY with http://USER:PASSWORD@HOST:PORT",
    "Raise the largest body that the proxy before it takes",
)
_ADVICE: Mapping[int, str] = {
    401: LOGIN,
    403: "A firewall or proxy before it refuses: its administrator has to let requests from this machine pass",
    404: _API,
    405: _API,
    407: PROXY_LOGIN,
    408: _UNANSWERED,
    413: BODY,
    414: "Raise the longest request line that the proxy before it takes",
    429: "Something before it limits requests: send fewer at once, or later",
    431: "Raise the largest headers that the proxy before it takes",
    502: _UNANSWERED,
    503: _UNANSWERED,
    504: _UNANSWERED,
}


def refusal(response: requests.Response) -> errors.RegistryError:
    """Return the error for a status of 400 or more: the registry's own refusal, or what answered in its place."""
    problem = own_problem(response, response.content)
    if problem is None:
        error = _not_of_registry(response)
    else:
        error = errors.refusal(response.status_code, problem, response.headers.get("X-Request-Id"))
    retry.mark(error, response, retry.kind_of(response.status_code))
    return error


def _not_of_registry(response: requests.Response) -> errors.RegistryError:
    status, request_id = response.status_code, response.headers.get("X-Request-Id")
    where = f"{urls.origin(response.url)} answered {said(response, text(response))}{network.through(response.url)}"
    advice = f"{_ADVICE[status]}." if status in _ADVICE else _ADDRESS
    kind = errors.Unavailable if errors.is_unavailable(status) else errors.UnexpectedReply
    return kind(f"{where}, not as a registry does. {advice}", status=status, request_id=request_id)


def unexpected(response: requests.Response) -> errors.UnexpectedReply:
    """Return the error for an answer below 400 that is none of a registry."""
    where, status = urls.origin(response.url), response.status_code
    through, advice = network.through(where), _ADDRESS
    if redirect := moved(response):
        what, advice = f"{status}, redirecting to {redirect[0]}", redirect[1]
    elif is_page(response):
        what = f"{status} with a page: {said(response, text(response)).removeprefix(str(status)).strip()}"
        advice = f"It may be a login page or a captive portal: open {where} in a browser."
    else:
        what = said(response, text(response)) if response.content else f"{status} without content"
    return errors.UnexpectedReply(
        f"{where} answered {what}{through}, not as a registry does. {advice}", status=response.status_code
    )


def document(response: requests.Response) -> dict[str, Any] | None:
    """Return the JSON object of a response of 2xx; None for any other answer."""
    if response.status_code >= 300:
        return None
    try:
        value = response.json()
    except (ValueError, RecursionError, requests.RequestException):
        return None
    return value if isinstance(value, dict) else None


def own_problem(response: requests.Response, body: str | bytes) -> dict[str, Any] | None:
    """Return the problem document with which a registry refuses; None for an answer of anything else."""
    if not response.headers.get("Content-Type", "").startswith("application/problem+json"):
        return None
    try:
        problem = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return problem if isinstance(problem, dict) and isinstance(problem.get("code"), str) else None


def is_page(response: requests.Response) -> bool:
    """Return whether the answer is HTML; a type alone means nothing where there is no body."""
    empty = response.status_code == 204 or response.headers.get("Content-Length") == "0"
    return not empty and "html" in response.headers.get("Content-Type", "").lower()


def moved(response: requests.Response) -> tuple[str, str] | None:
    """Return where a redirect leads, without its query, and what that may mean; None for another answer."""
    if not response.is_redirect:
        return None
    where = urls.origin(response.url)
    try:
        there = urls.origin(urljoin(response.url, response.headers["Location"]))
    except ValueError:
        return "an address that is none", _ADDRESS
    if there == where:
        return there, "A gateway in front of it may require a login: let requests with a token pass."
    if urlsplit(there).hostname == urlsplit(where).hostname:
        return there, f"Is its address {there}?"
    return (
        there,
        f"A login page or a captive portal may be before it, or its address has changed: open {where} in a browser.",
    )


def text(response: requests.Response) -> str:
    """Return the beginning of the body, also of one that was read before."""
    return next(response.iter_content(_READ), b"").decode("utf-8", "replace")


def said(response: requests.Response, body: str) -> str:
    """Return the status with the visible text of a page."""
    visible = re.sub(r"<(script|style|title)\b.*?</\1>|<[^>]*>", " ", body, flags=re.DOTALL | re.IGNORECASE)
    visible = " ".join("".join(one if one.isprintable() else " " for one in visible).split())
    return with_status(response, _SIGNED.sub("…", visible))


def with_status(response: requests.Response, reason: str) -> str:
    """Return the status and the beginning of the *reason* for it."""
    status = f"{response.status_code}"
    reason = reason[:_SHOWN].removeprefix(status).strip()
    return f"{status} {reason}" if reason else status
