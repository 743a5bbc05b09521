"""Answers to requests for bytes, of the store or of a server in between: whether they concern the bytes.

A signed URL leads to the store, or to a server in front of it: a proxy that limits bodies, another server at a wrong
path, a captive portal. Only the store's own answers count as a statement about the bytes.
"""

from __future__ import annotations

import re

import requests

from registry.client import errors
from registry.client.errors import Transience, Transient
from registry.client.http import foreign_answers, network, retry, urls

# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
_WRONG = frozenset({"BadDigest", "EntityTooLarge", "EntityTooSmall", "IncompleteBody", "InvalidDigest",
                    "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch"})  # fmt: skip
_SLOW_REQUEST = "RequestTimeout"
_GONE = frozenset({"InvalidRange", "NoSuchKey", "NoSuchVersion"})
_ADVICE = {
    401: foreign_answers.LOGIN,
    403: "Look at the clocks of both sides, and whether a proxy changes host, path or headers",
    404: "Look at the address: REGISTRY_PUBLIC_URL or REGISTRY_S3_PUBLIC_ENDPOINT_URL of the registry, "
    "with its path, and at the proxy there",
    407: foreign_answers.PROXY_LOGIN,
    413: foreign_answers.BODY,
}  # fmt: skip

_PORTAL = "It may be a login page or a captive portal: open the address in a browser"


def refused(response: requests.Response) -> errors.RegistryError:
    """Return the error for refused bytes: UploadRefused when the store reports that they are wrong."""
    text = foreign_answers.text(response)
    if _error_code(text) in _WRONG or foreign_answers.own_problem(response, text):
        return errors.UploadRefused(
            f"the store refused the bytes ({_answer_text(response, text)}).", status=response.status_code
        )
    return _elsewhere(response, text, "refused the bytes")


def lacking(response: requests.Response) -> errors.RegistryError:
    """Return the error for bytes that were not sent: IntegrityError when the store reports that they are gone."""
    text = foreign_answers.text(response)
    if _error_code(text) in _GONE or (
        response.status_code in {404, 416} and foreign_answers.own_problem(response, text)
    ):
        return errors.IntegrityError(f"its bytes are not in the store ({_answer_text(response, text)}).")
    return _elsewhere(response, text, "sent no bytes")


def later(response: requests.Response, advice: str = "") -> errors.Unavailable | None:
    """Return the error for a store that cannot serve requests now; None for another answer."""
    kind, text = retry.kind_of(response.status_code, from_store=True), foreign_answers.text(response)
    if response.status_code == 400 and _error_code(text) == _SLOW_REQUEST:
        kind = Transience.BUSY
    if kind is None:
        return None
    where = f"{urls.origin(response.url)}{network.through(response.url)}"
    error = errors.Unavailable(f"the store at {where} answered {_answer_text(response, text)}{advice}.")
    retry.mark(error, response, kind)
    return error


def instead(response: requests.Response) -> errors.UnexpectedReply | None:
    """Return the error for a page in HTML in place of the store's own success; None for another answer."""
    if not foreign_answers.is_page(response):
        return None
    return _elsewhere(response, foreign_answers.text(response), "answered with a page, not as a store does")


def expired(error: errors.RegistryError) -> errors.RegistryError:
    """Return *error*, marked as that of a signed URL which the store refuses: it may accept a fresh one."""
    error.transient = Transient(Transience.EXPIRED, "refused the signed URL")
    return error


def _elsewhere(response: requests.Response, text: str, what: str) -> errors.UnexpectedReply:
    status = response.status_code
    advice = _ADVICE.get(status, _PORTAL if status < 300 else None)
    said = _answer_text(response, text)
    if redirect := foreign_answers.moved(response):
        said, advice = f"{status}, redirecting to {redirect[0]}", redirect[1].rstrip(".")
    where = f"{urls.origin(response.url)}{network.through(response.url)}"
    detail = f"{where} {what} ({said}).{f' {advice}.' if advice else ''}"
    return errors.UnexpectedReply(detail, status=status)


def _error_code(text: str) -> str | None:
    match = re.search(r"<Error>.*?<Code>(\w+)</Code>", text, re.DOTALL)
    return match and match[1]


def _answer_text(response: requests.Response, text: str) -> str:
    """Return the status with the reason in the body: an error code, a problem's detail, or a page's visible text."""
    problem = foreign_answers.own_problem(response, text)
    reason = _error_code(text) or (str(problem.get("detail", "")) if problem else None)
    return foreign_answers.said(response, text) if reason is None else foreign_answers.with_status(response, reason)
