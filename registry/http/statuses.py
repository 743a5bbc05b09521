"""HTTP statuses of the domain's errors: one table for our faces."""

from __future__ import annotations

from registry.domain import errors
from registry.domain.errors import RegistryError

# A class that is not listed has the status of its nearest ancestor that is.
STATUS: dict[type[RegistryError], int] = {
    errors.Malformed: 400,
    errors.NotJson: 415,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.BodyTimeout: 408,
    errors.Conflict: 409,
    errors.UploadExpired: 410,
    errors.PreconditionFailed: 412,
    errors.TooLarge: 413,
    errors.Invalid: 422,
    errors.IdempotencyMismatch: 422,
    errors.RateLimited: 429,
    errors.Unsupported: 501,
    errors.Unavailable: 503,
}
FRAMEWORK_CODES = {
    400: "malformed",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    416: "range_not_satisfiable",
}


def status_of(kind: type[RegistryError]) -> int:
    """Return the HTTP status of a class of domain errors."""
    return next(STATUS[base] for base in kind.__mro__ if base in STATUS)
