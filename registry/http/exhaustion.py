"""The refusal of a request for which the process lacked file descriptors, memory or threads."""

from __future__ import annotations

from registry.db.retry import commits
from registry.domain import exhaustion
from registry.domain.errors import RegistryError, Unavailable, Uncertain


def refusal(error: Exception) -> RegistryError | None:
    """Return Unavailable for an *error* of exhaustion, or Uncertain after a commit; None for any other error."""
    resource = exhaustion.lacking(error)
    if resource is None:
        return None
    text = exhaustion.detail(resource)
    return Uncertain(f"{text}; it may have been written") if commits() else Unavailable(text)
