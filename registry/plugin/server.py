"""MLflow's own server with this registry as its registry store: the token of a request, and what the server stores.

``mlflow server --registry-store-uri registry+https://…`` has one registry store for all callers and threads. No
caller's token is kept in it: each call reads the header of the request that its thread handles.
"""

from __future__ import annotations

import base64
import os
import sys
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, UNAUTHENTICATED

if TYPE_CHECKING:
    from flask import Request

VARIABLE = "REGISTRY_SERVER_IDENTITY"
HINT = "set MLFLOW_TRACKING_TOKEN to a token of the registry"


class Identity(StrEnum):
    """Owner of the token that the server sends to the registry: the value of REGISTRY_SERVER_IDENTITY."""

    CALLER = "caller"
    CALLER_OR_OWN = "caller-or-own"
    OWN = "own"


def request() -> Request | None:
    """Return the request of MLflow's server that this thread handles; None elsewhere, in other applications too."""
    app = getattr(sys.modules.get("mlflow.server"), "app", None)
    if app is None:
        return None
    import flask  # MLflow's server has it; clients need not

    return flask.request if flask.has_request_context() and flask.current_app == app else None


def token(current: Request, own: Callable[[], str | None]) -> str | None:
    """Return the token for the registry in a request: the caller's, or the server's *own* where the setting allows.

    Raises MlflowException without a caller's token that the setting needs.
    """
    identity = configured_identity()
    if identity == Identity.OWN:
        return own()
    header = current.headers.get("Authorization")
    if header is None and identity == Identity.CALLER_OR_OWN:
        return own()
    if header is None:
        raise _unauthenticated(f"this MLflow server sends the registry its callers' tokens, and there is none; {HINT}")
    return _forwarded(header)


def configured_identity() -> Identity:
    """Return the setting; by default the caller's token alone. Raises MlflowException for another word."""
    text = os.environ.get(VARIABLE) or Identity.CALLER
    try:
        return Identity(text)
    except ValueError as error:
        words = ", ".join(Identity)
        raise MlflowException(f"{VARIABLE}={text!r} is none of {words}", error_code=INVALID_PARAMETER_VALUE) from error


def reads_files(current: Request) -> bool:
    """Return whether the server itself reads a version's files for *current*, for its web interface."""
    return current.path.endswith("/model-versions/get-artifact")


def tracking_store() -> Any:
    """Return the server's tracking store."""
    return _handlers()._get_tracking_store()


def repository(location: str) -> tuple[Any, str]:
    """Return the artifact repository that has *location*, and the path in it.

    ``mlflow-artifacts:`` is the server's own artifact area. A client resolves it by the server's address, which the
    server itself does not have.
    """
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    handlers = _handlers()
    if handlers._is_servable_proxied_run_artifact_root(location):
        path = handlers._get_proxied_run_artifact_destination_path(location)
        return handlers._get_artifact_repo_mlflow_artifacts(), path.strip("/")
    return get_artifact_repository(location), ""


def _handlers() -> Any:
    """MLflow's module of handlers; what is used of it has no public name, and is there from 2.9 to 3.18."""
    from mlflow.server import handlers

    return handlers


def _forwarded(header: str) -> str:
    """Return the token in a caller's header, as the registry reads it: Bearer, or the password of Basic."""
    scheme, _, text = header.partition(" ")
    credential = text.strip() if scheme.lower() == "bearer" else _password(text) if scheme.lower() == "basic" else ""
    if not credential or not all("!" <= character <= "~" for character in credential):
        raise _unauthenticated(f"the Authorization header has no token of the registry; {HINT}")
    return credential


def _password(text: str) -> str:
    try:
        return base64.b64decode(text.strip().encode("ascii"), validate=True).decode("ascii").partition(":")[2]
    except ValueError:
        return ""


def _unauthenticated(text: str) -> MlflowException:
    return MlflowException(text, error_code=UNAUTHENTICATED)
