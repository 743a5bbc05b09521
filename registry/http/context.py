"""The context of a view: caller, store, settings, and the conditions in the headers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from threading import BoundedSemaphore
from typing import cast
from urllib.parse import urlsplit

from flask import Flask, Request, current_app, g, request

from registry.auth.authenticate import Authenticator, Credential
from registry.config import Settings
from registry.domain.access import Actor
from registry.domain.errors import Malformed
from registry.services.idempotency import Claim
from registry.services.imports.inline import Places
from registry.services.imports.upstream import Upstream
from registry.services.sealed_log.pins import Pin
from registry.services.sealed_log.signer import Signer
from registry.services.uploads.announcement import UploadLimits
from registry.services.uploads.quotas import Quota
from registry.services.usage.downloads import DownloadCounts
from registry.services.usage.refusals import RefusalCounts
from registry.storage.checked import Store
from registry.storage.sources import Sources

EXTENSION = "model-registry"
_ETAG = re.compile(r'"([a-z])(\d{1,18})(?:-[a-z0-9]+)*"\Z')


@dataclass(frozen=True, slots=True)
class Adapters:
    """Adapters and settings that the composition root builds for the faces.

    ``waiters`` counts the requests that may wait until their entry is sealed.
    """

    settings: Settings
    store: Store
    sources: Sources
    upstreams: Sequence[Upstream]
    pepper: bytes
    authenticator: Authenticator
    refusals: RefusalCounts
    downloads: DownloadCounts
    places: Places
    waiters: BoundedSemaphore
    signer: Signer | None
    pin: Pin


def current_request() -> Request:
    """Return the request itself, for a function that uses it often: each use of the proxy is a look-up."""
    return request._get_current_object()  # type: ignore[attr-defined,no-any-return]  # of werkzeug's LocalProxy


def adapters() -> Adapters:
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # the proxy takes six times as long
    return cast(Adapters, app.extensions[EXTENSION])


def settings() -> Settings:
    return adapters().settings


def store() -> Store:
    return adapters().store


def pin() -> Pin:
    return adapters().pin


def sources() -> Sources:
    return adapters().sources


def upstreams() -> Sequence[Upstream]:
    """Return the MLflow tracking servers that versions may come from."""
    return adapters().upstreams


def places() -> Places:
    """Return the places of requests that wait for work of this process."""
    return adapters().places


@contextmanager
def yielding() -> Iterator[None]:
    """Let another thread serve requests while this one waits, where the server can do that."""
    with request.environ.get("registry.yielding", nullcontext)():
        yield


def client_is_gone() -> bool:
    """Return whether the client has closed its connection; False where the server cannot detect it."""
    return bool(request.environ.get("registry.client_is_gone", bool)())


def protected_aliases() -> Sequence[str]:
    """Return the aliases that are protected in every model."""
    return settings().protected_aliases


def limits() -> UploadLimits:
    current = settings()
    return UploadLimits(
        size=current.max_upload_bytes,
        inline=current.inline_bytes,
        single_put=current.single_put_bytes,
        part=current.part_bytes,
        upload_expiry=current.upload_expiry,
        url_expiry=current.url_expiry,
        quota=Quota(current.open_uploads, current.open_upload_bytes),
    )


def current_actor() -> Actor:
    return cast(Actor, g.actor)


def current_claim() -> Claim | None:
    """Return the idempotency key of the request; None where it has none."""
    return cast("Claim | None", g.get("claim"))


def current_credential() -> Credential | None:
    """Return the token of the request; None in dev mode."""
    return cast("Credential | None", g.get("credential"))


def absolute(url: str) -> str:
    """Return the address as a client can use it: our own are relative until here."""
    if not url.startswith("/"):
        return url
    # Not request.host_url: it decodes the name, and fails where one is no IDNA.
    return (settings().public_url or f"{request.scheme}://{request.host}") + url


def below_prefix(path: str) -> str:
    """Return one of our paths as a client reaches it: a proxy may have stripped the path of the public URL."""
    return urlsplit(settings().public_url or "").path + path


def etag(kind: str, number: int, *facts: str) -> str:
    """Return a strong ETag: ``"r7"`` for a row version, ``"t7"`` for a tenure.

    *facts* are shown with the resource and change without that number: ``"t7-unverified"``.
    """
    return f'"{"-".join([f"{kind}{number}", *facts])}"'


def etag_of_tenure(tenure: int | None, *facts: str) -> str | None:
    """Return the ETag of an open tenure; *facts* are as in :func:`etag`."""
    return None if tenure is None else etag("t", tenure, *facts)


def if_match(kind: str = "r") -> int | None:
    """Return the row version (or tenure) that the caller wants to change; None without one, or for ``*``.

    Raises Malformed. A foreign tag can match no row: it gives -1.
    """
    header = request.headers.get("If-Match")
    if header is None or header.strip() == "*":
        return None
    if "," in header:
        raise Malformed("If-Match takes one ETag here: the one that came with the resource")
    match = _ETAG.match(header.strip())
    return int(match[2]) if match and match[1] == kind else -1
