"""Every way in which a call can fail, as one tree.

    RegistryError
    ├── Malformed                400  the request could not be read
    ├── Unauthenticated          401  no valid token
    ├── Forbidden                403  a valid token that does not allow this
    ├── NotFound                 404
    ├── Conflict                 409
    │   ├── AlreadyExists
    │   ├── IllegalTransition         extras["allowed"]: the stages it may go to
    │   ├── GatesUnmet                extras["gates"]: the verdict of each rule
    │   ├── Held                      extras["holds"]: the holds in force
    │   ├── Occupied                  extras["holder"]: who was not to be displaced
    │   ├── Stale                     extras["holder"]: who holds it now
    │   ├── PositionLost              the audit log has no entry at the position that was given
    │   ├── NotSealed                 no published checkpoint covers the audit entry yet
    │   ├── InUse
    │   ├── FactsDiffer               extras["version"], extras["differences"]: fact, kept, sent, addable
    │   ├── NotReady
    │   ├── NoPrevious
    │   ├── BlobsMissing              extras["missing"]: sha256 of each
    │   └── UploadMismatch
    ├── UploadExpired            410
    ├── PreconditionFailed       412
    ├── TooLarge                 413
    ├── Invalid                  422  extras["errors"]: texts by field
    ├── IdempotencyMismatch      422
    ├── RateLimited              429  too many logins failed, or too many notes were written, before
    ├── Unsupported              501  this registry, or its store, cannot do that
    ├── Unavailable              503  nothing was done; try again later
    │   ├── BytesUnchecked            the store does not answer: wait, or roll back without its check
    │   └── Unreachable               no answer at all
    ├── ImportFailed                  the registry could not copy the bytes from where they are
    ├── UnexpectedReply               an answer, but not a registry's
    └── (found on this side)
        ├── InsecureConnection        the token would travel where others can read it
        ├── CertificatesUnreadable    a file of certificates to trust is missing, or holds none
        ├── UnfitSource               these files cannot be registered
        │   ├── HoldsCredentials      extras["files"]: what each of them holds
        │   └── SourceChanged         … because they changed in the meantime
        ├── UploadRefused             the store did not take the bytes
        ├── IntegrityError            bytes arrived that are not the registered ones
        │   └── UnsafePath            … or a path that leaves the directory
        └── TargetOccupied            the directory to write holds other files

``code`` is stable and for programs, ``detail`` says what to do and is for people, ``extras`` is for both,
``request_id`` finds the request in the server's log.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Self


class Transience(Enum):
    """Kinds of failures that may pass; ``retry`` defines how often each is repeated."""

    OUTAGE = "outage"
    BUSY = "busy"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Transient:
    """A failure that may pass. *retry_after* is the pause, in seconds, that the server requires."""

    kind: Transience
    description: str
    retry_after: float | None = None
    is_answer: bool = True  # False when the connection failed


class RegistryError(Exception):
    """A call failed; ``status`` is the HTTP status when the registry itself refused."""

    code: str = "error"
    transient: Transient | None = None  # read by the retry policy

    def __init__(
        self,
        detail: str,
        *,
        code: str | None = None,
        status: int | None = None,
        extras: Mapping[str, Any] | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or type(self).code
        self.status = status
        self.extras: Mapping[str, Any] = dict(extras or {})
        self.request_id = request_id

    def __str__(self) -> str:
        return self.detail

    def about(self, subject: str) -> Self:
        """Return the same error, whose detail now begins with what it is about."""
        self.detail = f"{subject}: {self.detail}"
        return self


class Malformed(RegistryError):
    code = "malformed"


class UnknownValue(Malformed):
    """A filter has a value that nothing has; ``extras`` has the ``nearest`` known one."""

    code = "unknown_value"


class Unauthenticated(RegistryError):
    code = "unauthenticated"


class Forbidden(RegistryError):
    code = "forbidden"


class NotFound(RegistryError):
    code = "not_found"


class Conflict(RegistryError):
    code = "conflict"


class AlreadyExists(Conflict):
    code = "already_exists"


class IllegalTransition(Conflict):
    code = "illegal_transition"


class GatesUnmet(Conflict):
    code = "gates_unmet"


class Held(Conflict):
    code = "held"


class Occupied(Conflict):
    code = "occupied"


class Stale(Conflict):
    code = "stale"


class PositionLost(Conflict):
    code = "position_lost"


class NotSealed(Conflict):
    code = "not_sealed"


class InUse(Conflict):
    code = "in_use"


class ClosesCycle(Conflict):
    code = "cycle"


class FactsDiffer(Conflict):
    code = "facts_differ"


class NotReady(Conflict):
    code = "not_ready"


class NoPrevious(Conflict):
    code = "no_previous"


class BlobsMissing(Conflict):
    code = "blobs_missing"


class UploadMismatch(Conflict):
    code = "upload_mismatch"


class UploadExpired(RegistryError):
    code = "upload_expired"


class PreconditionFailed(RegistryError):
    code = "precondition_failed"


class TooLarge(RegistryError):
    code = "too_large"


class Invalid(RegistryError):
    code = "invalid"


class IdempotencyMismatch(RegistryError):
    code = "idempotency_mismatch"


class RateLimited(RegistryError):
    code = "rate_limited"


class Unsupported(RegistryError):
    code = "unsupported"


class Unavailable(RegistryError):
    code = "unavailable"


class BytesUnchecked(Unavailable):
    code = "bytes_unchecked"


class Unreachable(Unavailable):
    """The registry (or its store) gave no answer: refused, timed out, wrong name, bad certificate."""


class ImportFailed(RegistryError):
    code = "import_failed"


class UnexpectedReply(RegistryError):
    code = "unexpected_reply"


class InsecureConnection(RegistryError):
    code = "insecure_connection"


class CertificatesUnreadable(RegistryError):
    code = "certificates_unreadable"


class UnfitSource(RegistryError):
    code = "unfit_source"


class CannotReproduce(RegistryError):
    code = "cannot_reproduce"


class HoldsCredentials(UnfitSource):
    code = "holds_credentials"


class SourceChanged(UnfitSource):
    code = "source_changed"


class UploadRefused(RegistryError):
    code = "upload_refused"


class IntegrityError(RegistryError):
    code = "integrity"


class UnsafePath(IntegrityError):
    code = "unsafe_path"


class TargetOccupied(RegistryError):
    code = "target_occupied"


_REFUSALS: tuple[type[RegistryError], ...] = (
    Malformed,
    UnknownValue,
    Unauthenticated,
    Forbidden,
    NotFound,
    Conflict,
    AlreadyExists,
    IllegalTransition,
    GatesUnmet,
    Held,
    Occupied,
    Stale,
    PositionLost,
    NotSealed,
    InUse,
    FactsDiffer,
    NotReady,
    NoPrevious,
    BlobsMissing,
    UploadMismatch,
    UploadExpired,
    PreconditionFailed,
    TooLarge,
    Invalid,
    IdempotencyMismatch,
    RateLimited,
    Unsupported,
    Unavailable,
    BytesUnchecked,
)


_BY_CODE: Mapping[str, type[RegistryError]] = {error.code: error for error in _REFUSALS}
_BY_STATUS: Mapping[int, type[RegistryError]] = {
    400: Malformed,
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    408: Unavailable,
    409: Conflict,
    412: PreconditionFailed,
    413: TooLarge,
    422: Invalid,
    429: Unavailable,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
}
# What RFC 9457 and the envelope define; the rest of a problem document is the error's own.
_STANDARD = frozenset({"type", "title", "status", "code", "detail", "instance", "request_id"})


def is_unavailable(status: int) -> bool:
    """Return whether a refusal without a ``code`` means that the service cannot answer now."""
    return _BY_STATUS.get(status) is Unavailable


def refusal(status: int, problem: Mapping[str, Any], request_id: str | None) -> RegistryError:
    """Return the error that a problem+json document stands for; an unknown code keeps its own name."""
    code = problem.get("code")
    known = _BY_CODE.get(code) if isinstance(code, str) else None
    error = known or _BY_STATUS.get(status, RegistryError)
    detail = problem.get("detail") or problem.get("title") or f"The registry answered {status}."
    extras = {key: value for key, value in problem.items() if key not in _STANDARD}
    return error(
        str(detail),
        code=code if isinstance(code, str) else None,
        status=status,
        extras=extras,
        request_id=request_id or problem.get("request_id"),
    )
