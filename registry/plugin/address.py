"""The registry of a ``registry+http(s)://`` URI, and the token for it.

The variables MLFLOW_TRACKING_* stay the tracking server's: the token is REGISTRY_TOKEN, REGISTRY_TOKEN_FILE or what
``registry login`` saved for the address.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote, unquote

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE

from registry.client import RegistryClient
from registry.client.http import credentials, urls
from registry.plugin import server

PREFIX = "registry+"
_VERSION = re.compile(r"(?P<base>.*)/models/(?P<model>[^/]+)/versions/(?P<number>[1-9][0-9]{0,9})(?:/(?P<path>.*))?\Z")


@dataclass(frozen=True, slots=True)
class Place:
    """A version at a registry, and a path in it, which is empty for the whole."""

    registry: str
    model: str
    number: int
    path: str


def registry(uri: str) -> str:
    """Return the http(s) address of the registry that *uri* names. Raises MlflowException."""
    try:
        return urls.normalised(uri.strip().removeprefix(PREFIX))
    except ValueError as error:
        raise invalid(f"{uri!r} names no registry: {error}") from error


def version_uri(address: str, model: str, number: int) -> str:
    """Return a version's own URI, which the artifact repository reads."""
    return f"{PREFIX}{address}/models/{quote(model, safe='')}/versions/{number}"


def place(uri: str) -> Place:
    """Return the version that *uri* names. Raises MlflowException."""
    match = _VERSION.match(uri)
    if not match:
        raise invalid(f"{uri!r} names no version; use models:/<name>/<version>, or …/models/<name>/versions/<version>")
    return Place(
        registry(match["base"]), unquote(match["model"]), int(match["number"]), (match["path"] or "").strip("/")
    )


def allows_secrets() -> bool:
    """Return whether files that hold credentials are registered: REGISTRY_ALLOW_SECRETS, read as the other flags."""
    return credentials.flag(os.environ, "REGISTRY_ALLOW_SECRETS")


def client(address: str, *, trusted: Iterable[str | None]) -> RegistryClient:
    """Return a client of the registry at *address*; see ``token``. Raises MlflowException."""
    try:
        return RegistryClient(address, token(address, trusted=trusted), insecure=credentials.insecure(os.environ))
    except ValueError as error:
        raise invalid(str(error)) from error


def token(address: str, *, trusted: Iterable[str | None]) -> str | None:
    """Return the token for *address*, of the environment or a saved one.

    That of the environment counts if one of the *trusted* URIs has the same origin.

    An artifact's URI may come from any client that logs one: alone it must not decide who gets the environment's token.
    In a request of MLflow's server it is the caller's token or the server's, see ``server.token``, and no other
    registry than the server's is contacted. Raises MlflowException.
    """
    origin = urls.origin(address)
    named = (uri for uri in (*trusted, os.environ.get("REGISTRY_URL")) if uri)
    known = any(_origin_or_none(uri) == origin for uri in named)

    def own() -> str | None:
        try:
            if known and (credential := credentials.environment_token(os.environ)):
                return credential
            return credentials.saved(credentials.user_directory()).get(origin)
        except ValueError as error:
            raise invalid(str(error)) from error

    if (current := server.request()) is None:
        return own()
    if not known:
        raise invalid(f"{address} is not the registry of this MLflow server")
    return server.token(current, own)


def readable(address: str) -> bool:
    """Return whether a token would travel to *address* readable, against what the environment allows."""
    return not urls.confidential(address) and not credentials.insecure(os.environ)


def invalid(text: str) -> MlflowException:
    return MlflowException(text, error_code=INVALID_PARAMETER_VALUE)


def _origin_or_none(uri: str) -> str | None:
    try:
        return urls.origin(uri.strip().removeprefix(PREFIX))
    except ValueError:
        return None
