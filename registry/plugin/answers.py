"""The registry's refusals as MLflow's exceptions, with codes of MLflow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from mlflow.exceptions import MlflowException
from mlflow.protos import databricks_pb2 as codes

from registry.client import errors
from registry.plugin import server

_CODES: Mapping[type[errors.RegistryError], str] = {
    errors.AlreadyExists: "RESOURCE_ALREADY_EXISTS",
    errors.NotFound: "RESOURCE_DOES_NOT_EXIST",
    errors.Forbidden: "PERMISSION_DENIED",
    errors.Unauthenticated: "UNAUTHENTICATED",
    errors.Unavailable: "TEMPORARILY_UNAVAILABLE",
    errors.UnfitSource: "INVALID_PARAMETER_VALUE",
    errors.Invalid: "INVALID_PARAMETER_VALUE",
    errors.Malformed: "INVALID_PARAMETER_VALUE",
    errors.TooLarge: "INVALID_PARAMETER_VALUE",
    errors.InsecureConnection: "INVALID_PARAMETER_VALUE",
    errors.CertificatesUnreadable: "INVALID_PARAMETER_VALUE",
    errors.TargetOccupied: "INVALID_PARAMETER_VALUE",
    errors.Conflict: "RESOURCE_CONFLICT",
    errors.IntegrityError: "DATA_LOSS",
}


@contextmanager
def as_mlflow() -> Iterator[None]:
    """Turn what the client raises into MlflowException, with the same sentence."""
    try:
        yield
    except errors.RegistryError as error:
        hint = f" {_login()}" if isinstance(error, errors.Unauthenticated) else ""
        raise MlflowException(error.detail + hint, error_code=_mlflow_code(error)) from error


def _login() -> str:
    if server.request() is None:
        return "Log in: registry login, or set REGISTRY_TOKEN."
    return f"Callers of this MLflow server: {server.HINT}."


def _mlflow_code(error: errors.RegistryError) -> int:
    name = next((name for kind, name in _CODES.items() if isinstance(error, kind)), "INTERNAL_ERROR")
    known: int = getattr(codes, name, codes.INTERNAL_ERROR)  # older clients have fewer codes
    return known
