"""Links to audit entries: to the entry for readers of the audit log, to its place in a history for others."""

from __future__ import annotations

from registry.domain.access import Permission
from registry.web.addresses import url_for
from registry.web.environment import may


def entry_address(model: str, entry: str) -> str:
    """Return the address where the caller can see an entry about a model."""
    if may(Permission.AUDIT_READ):
        return url_for("entry", entry=entry)
    return url_for("model_history", model=model, _anchor=f"entry-{entry}")
