"""Exit codes, so that a script need not parse messages."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum


class Exit(IntEnum):
    OK = 0
    ERROR = 1
    USAGE = 2
    AUTH = 3
    NOT_FOUND = 4
    CONFLICT = 5
    REFUSED = 6
    INTEGRITY = 7
    UNAVAILABLE = 8
    INTERRUPTED = 130


MEANINGS: Mapping[Exit, str] = {
    Exit.OK: "done",
    Exit.ERROR: "anything else",
    Exit.USAGE: "wrong usage, or a value that breaks a rule",
    Exit.AUTH: "no valid token, or one that does not allow this",
    Exit.NOT_FOUND: "no such model, version, alias or holder",
    Exit.CONFLICT: "conflict: exists already, in use, or changed in the meantime",
    Exit.REFUSED: "refused by the lifecycle or its gates",
    Exit.INTEGRITY: "bytes are missing or not the registered ones",
    Exit.UNAVAILABLE: "the registry cannot be reached, or not now",
    Exit.INTERRUPTED: "interrupted",
}

BY_CODE: Mapping[str, Exit] = {
    "malformed": Exit.USAGE,
    "invalid": Exit.USAGE,
    "unknown_value": Exit.USAGE,
    "unsupported_media_type": Exit.USAGE,
    "too_large": Exit.USAGE,
    "unfit_source": Exit.USAGE,
    "holds_credentials": Exit.USAGE,
    "insecure_connection": Exit.USAGE,
    "certificates_unreadable": Exit.USAGE,
    "unauthenticated": Exit.AUTH,
    "forbidden": Exit.AUTH,
    "rate_limited": Exit.AUTH,
    "not_found": Exit.NOT_FOUND,
    "conflict": Exit.CONFLICT,
    "already_exists": Exit.CONFLICT,
    "in_use": Exit.CONFLICT,
    "cycle": Exit.CONFLICT,
    "facts_differ": Exit.CONFLICT,
    "occupied": Exit.CONFLICT,
    "stale": Exit.CONFLICT,
    "position_lost": Exit.CONFLICT,
    "time_uncertain": Exit.CONFLICT,
    "precondition_failed": Exit.CONFLICT,
    "idempotency_mismatch": Exit.CONFLICT,
    "upload_expired": Exit.CONFLICT,
    "source_changed": Exit.CONFLICT,
    "target_occupied": Exit.CONFLICT,
    "illegal_transition": Exit.REFUSED,
    "gates_unmet": Exit.REFUSED,
    "held": Exit.REFUSED,
    "not_ready": Exit.REFUSED,
    "no_previous": Exit.REFUSED,
    "cannot_reproduce": Exit.REFUSED,
    "blobs_missing": Exit.INTEGRITY,
    "upload_mismatch": Exit.INTEGRITY,
    "upload_refused": Exit.INTEGRITY,
    "integrity": Exit.INTEGRITY,
    "unsafe_path": Exit.INTEGRITY,
    "unavailable": Exit.UNAVAILABLE,
    "not_sealed": Exit.UNAVAILABLE,
    "clock_implausible": Exit.UNAVAILABLE,
    "bytes_unchecked": Exit.UNAVAILABLE,
    "request_timeout": Exit.UNAVAILABLE,
    "import_failed": Exit.ERROR,
    "unsupported": Exit.ERROR,
    "unexpected_reply": Exit.ERROR,
}

BY_STATUS: Mapping[int, Exit] = {
    400: Exit.USAGE,
    422: Exit.USAGE,
    401: Exit.AUTH,
    403: Exit.AUTH,
    404: Exit.NOT_FOUND,
    408: Exit.UNAVAILABLE,
    409: Exit.CONFLICT,
    412: Exit.CONFLICT,
    429: Exit.UNAVAILABLE,
    502: Exit.UNAVAILABLE,
    503: Exit.UNAVAILABLE,
    504: Exit.UNAVAILABLE,
}


def exit_code(code: str, status: int | None) -> Exit:
    """Return the exit code of a failure: by its code, or by its HTTP status when the code is a newer server's."""
    return BY_CODE.get(code) or BY_STATUS.get(status or 0, Exit.ERROR)
