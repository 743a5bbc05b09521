"""What answered in place of the store, or the store itself: whether an answer is about the bytes, and what to look at.

A signed URL leads to the store, or to whatever stands before it: a proxy that limits bodies, another server at a wrong
path, a captive portal. Only the store's own words say that bytes are wrong or gone.
"""

from __future__ import annotations

import json
import re

import requests

from registry.client import errors, origins

_READ = 4096  # bytes of an answer that are looked at
_SHOWN = 200
_SIGNED = re.compile(r"\S*(?:\?|/transfer/)\S*")  # a page may repeat the address, which is a credential
# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
_WRONG = frozenset({"BadDigest", "EntityTooLarge", "EntityTooSmall", "IncompleteBody", "InvalidDigest",
                    "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch"})  # fmt: skip
_GONE = frozenset({"InvalidRange", "NoSuchKey", "NoSuchVersion"})
_ADVICE = {
    401: "Something before the store asks for a login",
    403: "Look at the clocks of both sides, and whether a proxy changes host, path or headers",
    404: "Look at the address: REGISTRY_PUBLIC_URL or REGISTRY_S3_PUBLIC_ENDPOINT_URL of the registry, "
    "with its path, and at the proxy there",
    407: "The HTTP proxy of this machine asks for a login (HTTPS_PROXY)",
    413: "Raise the largest body that the proxy before it takes",
}  # fmt: skip


def refused(response: requests.Response) -> errors.RegistryError:
    """Return the error for bytes that were not taken: UploadRefused when the store says that they are wrong."""
    text = _text(response)
    if _code(text) in _WRONG or _is_ours(response, text):
        return errors.UploadRefused(
            f"the store refused the bytes ({_said(response, text)}).", status=response.status_code
        )
    return _elsewhere(response, text, "refused the bytes")


def lacking(response: requests.Response) -> errors.RegistryError:
    """Return the error for bytes that are not sent: IntegrityError when the store says that they are gone."""
    text = _text(response)
    if _code(text) in _GONE or (response.status_code in {404, 416} and _is_ours(response, text)):
        return errors.IntegrityError(f"its bytes are not in the store ({_said(response, text)}).")
    return _elsewhere(response, text, "sent no bytes")


def expired(response: requests.Response) -> errors.Unavailable:
    """Return the error for a signed URL that is not accepted, which another one may mend."""
    found = _elsewhere(response, _text(response), "sent no bytes")
    return errors.Unavailable(found.detail, status=response.status_code)


def _elsewhere(response: requests.Response, text: str, what: str) -> errors.UnexpectedReply:
    status = response.status_code
    advice = _ADVICE.get(status)
    detail = f"{origins.origin(response.url)} {what} ({_said(response, text)}).{f' {advice}.' if advice else ''}"
    return errors.UnexpectedReply(detail, status=status)


def _text(response: requests.Response) -> str:
    return next(response.iter_content(_READ), b"").decode("utf-8", "replace")  # also of a body that was read before


def _code(text: str) -> str | None:
    found = re.search(r"<Error>.*?<Code>(\w+)</Code>", text, re.DOTALL)
    return found and found[1]


def _is_ours(response: requests.Response, text: str) -> bool:
    """Return whether a registry answered, whose local store is behind the same address."""
    if not response.headers.get("Content-Type", "").startswith("application/problem+json"):
        return False
    try:
        return "code" in json.loads(text)
    except ValueError:
        return False


def _said(response: requests.Response, text: str) -> str:
    """Return the status with the reason in the body: an error code, a problem's detail, or a page's visible text."""
    reason = _code(text)
    if reason is None and _is_ours(response, text):
        reason = str(json.loads(text).get("detail", ""))
    if reason is None:
        visible = re.sub(r"<(script|style)\b.*?</\1>|<[^>]*>", " ", text, flags=re.DOTALL | re.IGNORECASE)
        reason = " ".join("".join(one if one.isprintable() else " " for one in visible).split())
        reason = _SIGNED.sub("…", reason)
    status = f"{response.status_code}"
    reason = reason[:_SHOWN].removeprefix(status).strip()
    return f"{status} {reason}" if reason else status
