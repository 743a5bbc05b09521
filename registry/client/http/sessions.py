"""Sessions of the HTTP library: one credential, proxies of the environment, certificates of ``Trust``; no retries."""

from __future__ import annotations

from importlib import metadata
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

from registry.client.http import urls
from registry.client.http.certificates import Trust

CONNECTIONS = 32
BLOCK = 1 << 18


class Bearer(AuthBase):
    """Adds the token to requests for one origin, and takes any other credential away."""

    def __init__(self, token: str | None, origin: str) -> None:
        self._token = token
        self._origin = origin

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.pop("Authorization", None)
        if self._token and request.url and urls.origin(request.url) == self._origin:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def opened(auth: Bearer, trust: Trust) -> requests.Session:
    """Return a session whose credentials are *auth* alone: an auth object keeps requests from reading netrc."""
    session = _Session()
    session.auth = auth
    session.headers["User-Agent"] = _user_agent()
    adapter = _Adapter(trust)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


class _Adapter(HTTPAdapter):
    """Sends files in larger pieces than http.client's 8 KiB, and trusts the certificates of *trust* alone."""

    def __init__(self, trust: Trust) -> None:
        self._trust = trust
        super().__init__(pool_maxsize=CONNECTIONS)

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, blocksize=BLOCK, **options)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        if proxy.lower().startswith("https:"):
            options["proxy_ssl_context"] = self._trust.context
        return super().proxy_manager_for(proxy, blocksize=BLOCK, **options)

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: Any, cert: Any = None
    ) -> tuple[Any, Any]:
        host, pool = super().build_connection_pool_key_attributes(request, verify, cert)
        if host["scheme"] == "https":
            pool = {"cert_reqs": "CERT_REQUIRED", "ssl_context": self._trust.context}
        return host, pool

    def cert_verify(self, *_: Any) -> None:
        """Leave the certificates to the context: requests would add its own to those that were chosen."""


class _Session(requests.Session):
    def __init__(self) -> None:
        super().__init__()
        self._merged: dict[Any, Any] = {}

    def merge_environment_settings(self, url: Any, *settings: Any) -> Any:
        """Read the environment's proxies once for each host, not for each of 10,000 files."""
        key = (urls.origin(url), *map(repr, settings))
        if key not in self._merged:
            self._merged[key] = super().merge_environment_settings(url, *settings)
        return dict(self._merged[key])

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """Drop the credentials at a redirect, and do not read netrc for the new host."""
        prepared_request.headers.pop("Authorization", None)


def _user_agent() -> str:
    try:
        version = metadata.version("model-registry")
    except metadata.PackageNotFoundError:
        version = "0"
    return f"model-registry/{version} requests/{requests.__version__}"
