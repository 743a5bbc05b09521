"""Look at a registry from where its client runs: can it be reached, trusted, used, and will bytes arrive?

Nothing is written, but for a registry without any file: there an upload is announced and given up at once.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from importlib import metadata
from typing import Any, Literal
from urllib.parse import urlsplit

import requests

from registry.client import errors
from registry.client.client import RegistryClient
from registry.client.http import foreign_answers, network, sessions, store_answers, urls
from registry.client.http.certificates import Trust
from registry.client.http.sessions import Bearer
from registry.client.http.transport import Transport

State = Literal["ok", "warning", "wrong"]
TIMEOUT = 10.0
SOON = timedelta(days=14)
SKEW = timedelta(seconds=60)
NO_BYTES = "0" * 63 + "1"  # the digest of no known bytes


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check; ``fix`` is what to do where it failed."""

    name: str
    state: State
    detail: str
    fix: str = ""


def diagnose(
    url: str,
    token: str | None,
    *,
    insecure: bool = False,
    ca_file: str | None = None,
    now: datetime | None = None,
) -> Iterator[Finding]:
    """Look at one thing after the other; what cannot be known because of an earlier finding is left out."""
    trust = Trust(ca_file)
    with sessions.opened(Bearer(None, ""), trust) as session:
        yield from _diagnosed(url, token, session, trust, insecure=insecure, now=now or datetime.now(UTC))


def _diagnosed(
    url: str, token: str | None, session: requests.Session, trust: Trust, *, insecure: bool, now: datetime
) -> Iterator[Finding]:
    if urls.confidential(url) and url.startswith("https"):
        certificate = _certificate(url, trust, now)
        yield certificate
        if certificate.state == "wrong":
            return
    try:
        reply = _asked(session, f"{url}/readyz")
        if reply.status_code == 404:  # a proxy may keep that inside
            reply = _asked(session, f"{url}/livez")
    except requests.RequestException as error:
        yield Finding("address", "wrong", network.unreachable(url, error).detail, _ADDRESS)
        return
    ready = _ready(reply, url)
    yield ready
    if ready.name == "address":
        return
    yield _check_clock(reply, now)
    yield _check_release(session, url)
    yield from _as_somebody(url, token, trust, insecure=insecure, now=now)


def _asked(session: requests.Session, address: str) -> requests.Response:
    return session.get(address, timeout=TIMEOUT, allow_redirects=False)


def _ready(reply: requests.Response, url: str) -> Finding:
    document = _json_or_none(reply)
    if document == {"status": "ok"}:
        return Finding("registry", "ok", f"{url} is a registry; its readiness is not visible from here")
    if not isinstance(document, dict) or "checks" not in document or "status" not in document:
        error = foreign_answers.refusal(reply) if reply.status_code >= 400 else foreign_answers.unexpected(reply)
        return Finding("address", "wrong", error.detail,
                       "Give the registry's own address, with the path that a proxy puts before it.")  # fmt: skip
    if reply.status_code == 200 and document["status"] == "ready":
        return Finding("registry", "ok", f"{url} is a registry, and ready")
    failing = [f"{name}: {check.get('detail')}" for name, check in document["checks"].items() if not check.get("ok")]
    text = "; ".join(failing) or str(document["status"])
    return Finding("registry", "wrong", f"{url} is a registry, but {document['status']}: {text}",
                   "Its operator should run registry doctor on its machine.")  # fmt: skip


def _certificate(url: str, trust: Trust, now: datetime) -> Finding:
    """Check the certificate without any proxy; where only a proxy leads to the server, other findings cover it."""
    parts = urlsplit(url)
    try:
        with (
            socket.create_connection((parts.hostname or "", parts.port or 443), timeout=TIMEOUT) as plain,
            trust.context.wrap_socket(plain, server_hostname=parts.hostname) as secured,
        ):
            certificate: dict[str, Any] = secured.getpeercert() or {}
    except ssl.SSLCertVerificationError as error:
        return Finding("certificate", "wrong",
                       f"the TLS certificate of {urls.origin(url)} cannot be trusted: {error.verify_message}",
                       network.certificate_advice(error))  # fmt: skip
    except (OSError, ValueError) as error:
        return Finding("certificate", "warning", f"it could not be looked at directly: {error}",
                       "Nothing, if a proxy leads to the registry; else look at the name and the port.")  # fmt: skip
    issuer = ", ".join(value for part in certificate.get("issuer", ()) for name, value in part if name != "countryName")
    return judge_certificate(str(certificate["notAfter"]), issuer, now)


def judge_certificate(until: str, issuer: str, now: datetime) -> Finding:
    """Return the finding for a trusted certificate that ends at *until* (as OpenSSL writes it), at *now*."""
    end = datetime.fromtimestamp(ssl.cert_time_to_seconds(until), UTC)
    text = f"trusted, from {issuer}, until {end:%Y-%m-%d}"
    if end - now < SOON:
        return Finding("certificate", "warning", text, "The operator should renew it in time.")
    return Finding("certificate", "ok", text)


def _check_clock(reply: requests.Response, now: datetime) -> Finding:
    try:
        there = parsedate_to_datetime(reply.headers["Date"])
    except (KeyError, ValueError):
        return Finding("clock", "warning", "the registry's answers have no date", "Let its proxy pass Date on.")
    ahead = (now - (there if there.tzinfo else there.replace(tzinfo=UTC))).total_seconds()
    if abs(ahead) > SKEW.total_seconds():
        way = "ahead of" if ahead > 0 else "behind"
        return Finding("clock", "wrong", f"this machine's clock is {abs(ahead):.0f} s {way} the registry's",
                       "Set it by NTP: signed addresses and tokens end by the clock.")  # fmt: skip
    return Finding("clock", "ok", "this machine's clock agrees with the registry's")


def _check_release(session: requests.Session, url: str) -> Finding:
    ours = metadata.version("model-registry")
    try:
        document = _json_or_none(session.get(f"{url}/openapi.json", timeout=TIMEOUT))
        theirs = str(document["info"]["version"])
    except (requests.RequestException, TypeError, KeyError):
        return Finding("release", "warning", f"client {ours}; the registry does not report its release",
                       "Let its proxy pass /openapi.json on.")  # fmt: skip
    return judge_release(ours, theirs)


def judge_release(ours: str, theirs: str) -> Finding:
    """Return whether client and registry are of one minor release."""
    text = f"client {ours}, registry {theirs}"
    if ours.split(".")[:2] != theirs.split(".")[:2]:
        return Finding("release", "warning", text, f"Install release {theirs}, from where this client came from.")
    return Finding("release", "ok", text)


def _as_somebody(url: str, token: str | None, trust: Trust, *, insecure: bool, now: datetime) -> Iterator[Finding]:
    try:
        client = RegistryClient(url, token, timeout=TIMEOUT, retries=0, insecure=insecure, ca_file=trust.ca_file)
    except errors.InsecureConnection as error:
        yield Finding("token", "wrong", error.detail, "Use https, or --insecure if you mean it.")
        return
    with client:
        try:
            me = client.me()
        except errors.RegistryError as error:
            yield _no_token(token, error)
            return
        if not {"name", "roles", "permissions", "token"} <= me.keys():
            yield Finding("token", "wrong", f"{url} does not report the caller, as a registry would", _ADDRESS)
            return
        yield _check_token(dict(me), now)
        transport = Transport(url, token=token, timeout=(TIMEOUT, TIMEOUT), retries=0, insecure=insecure, trust=trust)
        try:
            yield _store(client, transport, may_write="file:upload" in me["permissions"])
        except errors.RegistryError as error:
            yield Finding("store", "wrong", error.detail, _STORE)
        finally:
            transport.close()


def _no_token(token: str | None, error: errors.RegistryError) -> Finding:
    if token is None:
        return Finding("token", "wrong", "there is none for this registry", "registry login, or set REGISTRY_TOKEN.")
    return Finding("token", "wrong", f"the registry does not take it: {error.detail}",
                   "Have a new one made (registry token create), then registry login.")  # fmt: skip


def _check_token(me: dict[str, Any], now: datetime) -> Finding:
    text = f"{me['name']}, {', '.join(me['roles']) or 'without any role'}"
    if me["token"] is None:
        return Finding("token", "ok", f"none is needed here: {text}")
    end = datetime.fromisoformat(me["token"]["expires_at"])
    text += f", until {end:%Y-%m-%d}"
    if not me["roles"]:
        return Finding("token", "wrong", text, "Have one made that may do something: registry token create --role …")
    if end - now < SOON:
        return Finding("token", "warning", text, "Have the next one made in time: registry token create")
    return Finding("token", "ok", text)


_ADDRESS = "Look at the name and the port, at the network, and at proxies (HTTPS_PROXY, NO_PROXY)."
_STORE = (
    "From this machine the store must be reachable, under the name that the registry signs for "
    "(REGISTRY_S3_PUBLIC_ENDPOINT_URL there)."
)


def _store(client: RegistryClient, transport: Transport, *, may_write: bool) -> Finding:
    """Fetch one byte of a file that there is; else check that the address of an upload answers."""
    for version in client.search.versions():
        if version["state"] != "ready":
            continue
        for file in client.versions.files(version["model"], version["number"], signed=True):
            return _fetched(transport, file["url"])
        break
    if not may_write:
        return Finding("store", "ok", "there is no file yet that could be fetched to see")
    upload = client.uploads.begin(sha256=NO_BYTES, size=1)
    try:
        target = upload["target"]
        where = urls.origin(target["url"]) if target else ""
        if target:
            transport.fetch(target["url"]).close()  # an address to PUT to: any answer shows that it is reachable
        return Finding("store", "ok", f"{where} answers; there is no file yet that could be fetched to see")
    finally:
        if upload["id"]:
            client.uploads.abort(upload["id"])


def _fetched(transport: Transport, url: str) -> Finding:
    where = urls.origin(url)
    with transport.fetch(url, {"Range": "bytes=0-0"}) as reply:
        if reply.status_code in {200, 206, 416}:
            return Finding("store", "ok", f"bytes come from {where}")
        return Finding("store", "wrong", store_answers.lacking(reply).detail,
                       "Look at the clocks of client and registry, and at proxies that change addresses.")  # fmt: skip


def _json_or_none(reply: requests.Response) -> Any:
    try:
        return reply.json()
    except ValueError:
        return None
