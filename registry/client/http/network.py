"""Connections that fail: which side, which address, and what to look at. HTTP proxies between client and server."""

from __future__ import annotations

import os
import re
import ssl
from typing import Any
from urllib.parse import urlsplit

import requests
from urllib3 import exceptions as urllib3

from registry.client import errors
from registry.client.errors import Transience, Transient
from registry.client.http import urls

CA_ADVICE = "For a private CA give its certificate: --ca-file FILE, REGISTRY_CA_FILE, or ca_file in Python."
_CREDENTIALS = re.compile(r"^([a-z][a-z0-9+.-]*://)?[^/]*@", re.IGNORECASE)
_SYSTEM = re.compile(r"\[(?:Errno|SSL)[^]]*\] ?|\(_ssl\.c:\d+\)|<.*?>: ?")
# X509_V_ERR_…: openssl.org/docs/manmaster/man3/X509_STORE_CTX_get_error.html
_NOT_NOW, _OTHER_NAMES = frozenset({9, 10}), frozenset({62, 64})


def proxy(url: str) -> tuple[str, str] | None:
    """Return the HTTP proxy of requests for *url*, and the variable that names it; None without one.

    The proxy's credentials are left out.
    """
    address = requests.utils.select_proxy(url, requests.utils.get_environ_proxies(url))
    if not address:
        return None
    names = (f"{urlsplit(url).scheme}_proxy", "all_proxy")
    written = (name for lower in names for name in (lower, lower.upper()) if os.environ.get(name))
    return _CREDENTIALS.sub(r"\1", address), next(written, "the system's settings")


def through(url: str) -> str:
    """Return `` (through the HTTP proxy …)`` for text about *url*, empty without a proxy."""
    proxy_url = proxy(url)
    return f" (through the HTTP proxy {proxy_url[0]})" if proxy_url else ""


def unreachable(url: str, error: Exception) -> errors.Unreachable:
    """Return the error for no answer, with what to look at first. Never shows more of *url* than its origin."""
    where = urls.origin(url)
    if isinstance(error, requests.exceptions.ProxyError):
        detail = _proxy_failed(url, where, error)
    elif isinstance(error, requests.exceptions.SSLError):
        detail = _tls_failed(url, where, error)
    elif _timed_out(error) or _timed_out(_reason(error)):
        detail = _late(url, where, error)
    else:
        detail = _failed(url, where, error)
    unreachable = errors.Unreachable(detail)
    if (kind := _transience(error)) is not None:
        unreachable.transient = Transient(kind, f"cannot be reached ({cause(error)})", is_answer=False)
    return unreachable


def _transience(error: Exception) -> Transience | None:
    """Return how a failure may pass; None for one that lasts.

    A proxy that refuses lasts, and so does a peer that does not speak TLS or whose certificate is not trusted.
    """
    if isinstance(error, requests.exceptions.ProxyError):
        status = _tunnel_status(error)
        return None if status and not status.startswith("5") else Transience.OUTAGE
    if isinstance(error, requests.exceptions.SSLError):
        final = _verification(error) is not None or _is_plain_http(error)
        return None if final else Transience.BUSY
    if _timed_out(error) or _timed_out(_reason(error)):
        return Transience.OUTAGE if _is_connecting(error) else Transience.BUSY
    return Transience.OUTAGE


def uncallable(url: str, error: requests.RequestException) -> errors.UnexpectedReply:
    """Return the error for an address that cannot be called at all, such as one behind a proxy that is none."""
    where, proxy_url = urls.origin(url), proxy(url)
    if proxy_url and isinstance(error, requests.exceptions.InvalidProxyURL | requests.exceptions.InvalidSchema):
        socks = " (pip install 'requests[socks]')" if "SOCKS" in str(error) else ""
        return errors.UnexpectedReply(
            f"{where} cannot be called: the proxy {proxy_url[0]} in {proxy_url[1]} cannot be used: {error}{socks}"
        )
    return errors.UnexpectedReply(f"{where} cannot be called: {error}")


def _proxy_failed(url: str, where: str, error: Exception) -> str:
    address, variable = proxy(url) or ("", "HTTPS_PROXY")
    status = _tunnel_status(error)
    said = status or cause(error)
    if status.startswith("407"):
        return (
            f"the HTTP proxy {address} asks for a login ({said}) before it connects to {where}. "
            f"Set {variable} to http://USER:PASSWORD@HOST:PORT, or name the host in NO_PROXY."
        )
    if status:
        return (
            f"the HTTP proxy {address} does not connect to {where} ({said}). "
            f"Its administrator must allow it; or name the host in NO_PROXY."
        )
    return (
        f"{where} is called through the HTTP proxy {address}, which cannot be reached ({said}). "
        f"Look at {variable}, or name the host in NO_PROXY."
    )


def _tunnel_status(error: Exception) -> str:
    """Return the status with which a proxy refused to connect, empty where it did not answer."""
    status = re.search(r"Tunnel connection failed: (\d{3}.*)", str(_reason(error)))
    return status[1].strip("'\"() ") if status else ""


def _tls_failed(url: str, where: str, error: Exception) -> str:
    verification_error = _verification(error)
    if verification_error is None:
        plain = f"http{where.removeprefix('https')}"
        if _is_plain_http(error):
            return f"{where} does not speak TLS. Is its address {plain}?"
        return f"{where}: TLS failed ({cause(error)}){through(url)}. Look at the address and at the server's log."
    advice = certificate_advice(verification_error, proxied=proxy(url) is not None)
    reason = verification_error.verify_message.rstrip(".")
    return f"{where}: the TLS certificate cannot be trusted ({reason}){through(url)}. {advice}"


def _is_plain_http(error: Exception) -> bool:
    return any(text in str(error).upper().replace("_", " ") for text in ("WRONG VERSION NUMBER", "RECORD LAYER"))


def certificate_advice(error: ssl.SSLCertVerificationError, *, proxied: bool = False) -> str:
    """Return what to do about a certificate that is not trusted."""
    if error.verify_code in _NOT_NOW:
        return "Its operator must renew it, or this machine's clock is wrong."
    if error.verify_code in _OTHER_NAMES:
        return "Use a name that the certificate has, or let its operator add this one."
    return f"{CA_ADVICE}{' A proxy that inspects TLS has a CA too.' if proxied else ''}"


def _late(url: str, where: str, error: Exception) -> str:
    if _is_connecting(error):
        return f"{where} did not accept a connection in time{through(url)}. Look at the address, and at firewalls."
    return f"{where} accepted the request and did not answer in time{through(url)}. Look at its load and its log."


def _is_connecting(error: Exception) -> bool:
    """Return whether time ran out before there was a connection."""
    return isinstance(error, requests.ConnectTimeout) or isinstance(_reason(error), urllib3.ConnectTimeoutError)


def _failed(url: str, where: str, error: Exception) -> str:
    reason = _reason(error)
    if isinstance(reason, urllib3.NameResolutionError):
        return f"{where} cannot be reached ({cause(error)}). Look at the address, and at this machine's DNS."
    spoken = re.search(r"BadStatusLine\((.*?)\)?\)?$", str(reason))
    if spoken:
        return f"{where} does not speak HTTP (it sent {spoken[1][:60]}). Look at the port."
    if isinstance(reason, urllib3.ProtocolError) and where.startswith("http:"):
        tls = f"https{where.removeprefix('http')}"
        return f"{where} closed the connection without an answer ({cause(error)}). Is its address {tls}?"
    if urls.loopback(url):
        advice = " Is the server running? registry serve --dev. Another one: --url, REGISTRY_URL."
    elif isinstance(reason, urllib3.NewConnectionError):
        advice = " Is it running, and is the port right?"
    else:
        advice = ""
    return f"{where} cannot be reached ({cause(error)}).{advice}"


def _verification(error: BaseException) -> ssl.SSLCertVerificationError | None:
    """Return the failed check of a certificate that *error* wraps; None for another failure of TLS."""
    candidate: Any = error
    for _ in range(8):
        if candidate is None or isinstance(candidate, ssl.SSLCertVerificationError):
            return candidate
        candidate = getattr(candidate, "reason", None) or next(
            (arg for arg in getattr(candidate, "args", ()) if isinstance(arg, BaseException)), None
        )
        if isinstance(candidate, str):  # of an ssl.SSLError, which has no other below it
            return None
    return None


def _timed_out(error: BaseException) -> bool:
    """Return whether time ran out; urllib3 counts a refused connection (NewConnectionError) as that too."""
    return isinstance(error, requests.Timeout | urllib3.TimeoutError) and not isinstance(
        error, urllib3.NewConnectionError
    )


def _reason(error: BaseException) -> Any:
    """Return what the library wrapped: the last failure of the retries, or the error itself."""
    wrapped = error.args[0] if error.args else error
    return getattr(wrapped, "reason", None) or (wrapped if isinstance(wrapped, BaseException) else error)


def cause(error: BaseException) -> str:
    """Return the innermost reason, without the wrapping and the numbers that libraries add."""
    reason: Any = _reason(error)
    while inner := next((one for one in getattr(reason, "args", ()) if isinstance(one, BaseException)), None):
        reason = inner
    if isinstance(reason, urllib3.NameResolutionError):
        return f"the name {reason.conn.host} is not found"
    text = getattr(reason, "strerror", None) or str(reason)
    text = _SYSTEM.sub("", text.rpartition(": ")[2] or text)
    return text.strip("'\"() ") or type(reason).__name__
