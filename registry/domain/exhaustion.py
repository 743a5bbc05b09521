"""Exhaustion of what a process needs from its machine: file descriptors, memory, threads."""

from __future__ import annotations

import errno

_LACKING = {
    errno.EMFILE: "file descriptors",
    errno.ENFILE: "file descriptors",
    errno.ENOBUFS: "memory",
    errno.ENOMEM: "memory",
}
_NO_THREAD = "can't start new thread"  # CPython raises a plain RuntimeError


def lacking(error: BaseException | None) -> str | None:
    """Return what the process lacked when *error*, or an error that led to it, was raised; None for other errors."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, OSError) and error.errno in _LACKING:
            return _LACKING[error.errno]
        if isinstance(error, MemoryError):
            return "memory"
        if type(error) is RuntimeError and error.args == (_NO_THREAD,):
            return "threads"
        error = error.__cause__ or error.__context__
    return None


def detail(resource: str) -> str:
    """Return the text of a refusal for the lack of *resource*."""
    return f"the server has no {resource} left at the moment; send the same request again"
