"""Every way in which the registry refuses, as one tree.

    RegistryError
    ├── Malformed               the request cannot be read
    │   ├── UnknownValue        a filter has a value that nothing has
    │   └── NotJson             the body is of another media type
    ├── Unauthenticated         no valid credential
    ├── Forbidden               a valid credential that does not allow this
    ├── NotFound
    ├── Conflict                the request is fine, the state of things is not
    │   ├── AlreadyExists
    │   ├── Deleted             it was there, and can be restored
    │   ├── IllegalTransition   the stage machine has no such edge
    │   ├── GatesUnmet          the policy has rules that the version does not meet
    │   ├── Held                a hold keeps the version out of staging and production
    │   ├── Occupied            another version holds the stage, and was not to be displaced
    │   ├── Stale               the caller acted on an outdated picture
    │   ├── PositionLost        a reader goes on after an entry that this log does not have
    │   ├── NotSealed           no published checkpoint covers the audit entry yet
    │   ├── TimeUncertain       the order of what happened around an instant is not known
    │   ├── InUse
    │   ├── ClosesCycle         data or a model would come from itself
    │   ├── FactsDiffer         the version that a registration means has other facts
    │   ├── NotReady
    │   ├── NoPrevious          nothing to roll back to
    │   ├── BlobsMissing        bytes that should be in the store are not
    │   └── UploadMismatch      other bytes arrived than were announced
    ├── UploadExpired
    ├── BodyTimeout             the body did not arrive in time
    ├── PreconditionFailed      If-Match names an older state
    ├── TooLarge
    ├── Invalid                 readable, but a value breaks a rule
    ├── IdempotencyMismatch     an Idempotency-Key came back with another request
    ├── RateLimited             too many failed before; later requests may be answered
    ├── Unsupported             this registry, or its store, cannot do that at all
    └── Unavailable             the database or the store cannot be reached now
        ├── ClockImplausible    the database's clock cannot date an entry
        ├── Undone              the database rolled back all changes: a deadlock, a lost connection
        ├── StoreDenied         the store refuses the registry's credentials a right
        ├── ForeignStore        the store is not known to be this registry's
        ├── BytesUnchecked      the store does not answer, so that a rollback cannot check its target
        ├── SecretKeyMismatch   the secret key is not the one of this database
        └── Uncertain           the connection was lost during the commit

Each class has a stable ``code``; each error has a ``detail`` that says what to do, and ``extras`` that a
program can act on. The faces turn the tree into their own dialect: nothing here depends on HTTP.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from registry.rules import suggestions


class RegistryError(Exception):
    """A refusal: ``code`` for programs, ``detail`` for people, ``extras`` for both."""

    code: ClassVar[str] = "error"

    def __init__(self, detail: str, **extras: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.extras: Mapping[str, Any] = extras


class Malformed(RegistryError):
    """The request cannot be read: its headers, its body or a cursor."""

    code = "malformed"


class UnknownValue(Malformed):
    """A filter has an unknown value, so that it could match nothing.

    ``nearest`` is the known value that is most similar; *problem* is what is unknown.
    """

    code = "unknown_value"

    def __init__(self, parameter: str, value: str, problem: str, known: Iterable[str] = ()) -> None:
        nearest = suggestions.nearest(value, known)
        text = f"{parameter}: {problem}: {value!r}{suggestions.hint(nearest)}"
        super().__init__(text, parameter=parameter, value=value, nearest=nearest)


class NotJson(Malformed):
    """The body is not sent as application/json, or is encoded."""

    code = "unsupported_media_type"


class Unauthenticated(RegistryError):
    """There is no valid API token in the Authorization header."""

    code = "unauthenticated"


class Forbidden(RegistryError):
    """The token is valid, and its roles lack the ``permission``."""

    code = "forbidden"

    def __init__(self, detail: str, *, permission: str) -> None:
        super().__init__(detail, permission=permission)


class MissingPermission(Forbidden):
    """The roles of the actor lack the permission, needed ``because`` of something, or "" for the act itself."""

    def __init__(self, detail: str, *, permission: str, because: str) -> None:
        super().__init__(detail, permission=permission)
        self.because = because


class NotFound(RegistryError):
    """There is no resource with this name, number or id."""

    code = "not_found"


class Conflict(RegistryError):
    """The request does not fit the state of the resource; the detail has what to do first."""

    code = "conflict"


class AlreadyExists(Conflict):
    """The name is taken."""

    code = "already_exists"


class Deleted(Conflict):
    """It was deleted, and can be restored."""


class IllegalTransition(Conflict):
    """No edge of the stage machine leads to this stage; ``allowed`` lists those that can be reached."""

    code = "illegal_transition"

    def __init__(self, detail: str, *, allowed: Sequence[str]) -> None:
        super().__init__(detail, allowed=sorted(allowed))


class GatesUnmet(Conflict):
    """The policy does not allow the move; ``gates`` has the verdict of each of its rules, ``policy`` its digest."""

    code = "gates_unmet"

    def __init__(self, detail: str, *, gates: Sequence[Mapping[str, Any]], policy: str) -> None:
        super().__init__(detail, gates=[dict(gate) for gate in gates], policy=policy)


class Held(Conflict):
    """A hold keeps the version out of staging and production; ``holds`` lists those that do."""

    code = "held"

    def __init__(self, detail: str, *, holds: Sequence[Mapping[str, Any]]) -> None:
        super().__init__(detail, holds=[dict(hold) for hold in holds])


class Occupied(Conflict):
    """Another version, the ``holder``, holds the stage and was not to be displaced."""

    code = "occupied"

    def __init__(self, detail: str, *, holder: int) -> None:
        super().__init__(detail, holder=holder)


class Stale(Conflict):
    """``expected_current`` is not what the registry has; ``holder`` is."""

    code = "stale"

    def __init__(self, detail: str, *, holder: int | None) -> None:
        super().__init__(detail, holder=holder)


class PositionLost(Conflict):
    """The position names an entry that this log does not have, for instance after a database was restored."""

    code = "position_lost"


class NotSealed(Conflict):
    """The audit entry has no position covered by a published checkpoint yet, so that nothing proves it."""

    code = "not_sealed"


class TimeUncertain(Conflict):
    """The order of what happened between ``since`` and ``until`` is not known: the clock was set back."""

    code = "time_uncertain"

    def __init__(self, detail: str, *, since: str, until: str | None) -> None:
        super().__init__(detail, since=since, until=until)


class InUse(Conflict):
    """It is in use: by a stage, an alias or a version that derives from it."""

    code = "in_use"


class ClosesCycle(Conflict):
    """An edge of the lineage would let data or a model come from itself; ``path`` has the names on the way."""

    code = "cycle"

    def __init__(self, detail: str, *, path: Sequence[str]) -> None:
        super().__init__(detail, path=[*path])


class FactsDiffer(Conflict):
    """The version that the registration means has other facts; ``differences`` lists them.

    Each has the name of the fact, what the version has (``kept``) and what was ``sent``.
    """

    code = "facts_differ"

    def __init__(self, detail: str, *, version: int, differences: Sequence[Mapping[str, Any]]) -> None:
        super().__init__(detail, version=version, differences=list(differences))


class NotReady(Conflict):
    """The version, or the file, is not in the state that this needs: it is pending, failed or deleted."""

    code = "not_ready"


class NoPrevious(Conflict):
    """There is no earlier production version to return to."""

    code = "no_previous"


class BlobsMissing(Conflict):
    """Bytes are not in the store; ``missing`` lists their SHA-256."""

    code = "blobs_missing"

    def __init__(self, detail: str, *, missing: Sequence[str]) -> None:
        super().__init__(detail, missing=sorted(missing))


class UploadMismatch(Conflict):
    """Other bytes arrived than were announced."""

    code = "upload_mismatch"


class UploadExpired(RegistryError):
    """The upload was not completed in time; announce it again."""

    code = "upload_expired"


class BodyTimeout(RegistryError):
    """The body did not arrive in time; send the request again."""

    code = "request_timeout"


class PreconditionFailed(RegistryError):
    """The resource is no longer the one that If-Match names."""

    code = "precondition_failed"


class TooLarge(RegistryError):
    """The body, or the file, is larger than the ``limit`` in bytes."""

    code = "too_large"

    def __init__(self, detail: str, *, limit: int) -> None:
        super().__init__(detail, limit=limit)


class Invalid(RegistryError):
    """A value breaks a rule; ``errors`` has the texts by field.

    They are nested as the body is.
    """

    code = "invalid"

    def __init__(self, detail: str, *, errors: Mapping[str, Any]) -> None:
        super().__init__(detail, errors=errors)

    @classmethod
    def field(cls, name: str, text: str) -> Invalid:
        """Return the error for one wrong field."""
        return cls(f"{name}: {text}", errors={name: [text]})

    @classmethod
    def whole(cls, text: str) -> Invalid:
        """Return the error with a whole text, in the words of a face's own dialect."""
        return cls(text, errors={"_schema": [text]})


class IdempotencyMismatch(RegistryError):
    """The Idempotency-Key was used for another request before."""

    code = "idempotency_mismatch"


class RateLimited(RegistryError):
    """Too many logins failed, or too many notes were written, before; ``Retry-After`` is when to try again.

    ``retry_after`` is in seconds.
    """

    code = "rate_limited"

    def __init__(self, detail: str, *, retry_after: int) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class Unsupported(RegistryError):
    """This registry, or its store, cannot do that at all."""

    code = "unsupported"


class Unavailable(RegistryError):
    """The database or the store cannot be used now; ``Retry-After`` is when to try again.

    Nothing was written, unless the docstring of the class differs. *retry_after* is in seconds; None: do not retry
    automatically.
    """

    code = "unavailable"

    def __init__(self, detail: str, *, retry_after: int | None = 2) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class StoreDenied(Unavailable):
    """The detail names the operation and the right that the credentials lack."""


class ClockImplausible(Unavailable):
    """The database's clock cannot be right, so that no entry can be dated; nothing was written."""

    code = "clock_implausible"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, retry_after=30)


class Undone(Unavailable):
    """Doing the same again, at once, may work."""


class Uncertain(Unavailable):
    """It is unknown whether the transaction was committed: read the resource, or repeat with the same key."""


class BytesUnchecked(Unavailable):
    """The store does not answer, so that the files of the target of a rollback cannot be checked.

    Nothing was written. Without ``retry_after``: the caller is to decide at once, not to wait.
    """

    code = "bytes_unchecked"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, retry_after=None)


class ForeignStore(Unavailable):
    """The store belongs to another registry, or to another state of this one: nothing in it is changed or judged."""


class SecretKeyMismatch(Unavailable):
    """The process has another secret key than the database: it would accept no token and forge every seal."""
