"""The actions that format 1 has, by the kind of their chain; a verifier cannot judge an entry with another one."""

from __future__ import annotations

from collections.abc import Mapping

_EVERYWHERE = frozenset({"audit.baselined", "text.erased"})
_REQUESTS = frozenset(
    f"request.{done}"
    for done in ("applied", "approval_withdrawn", "approved", "commented", "opened", "rejected", "withdrawn")
)

ACTIONS: Mapping[str, frozenset[str]] = {
    "model": _EVERYWHERE
    | _REQUESTS
    | {
        "alias.deleted", "alias.dropped", "alias.protected", "alias.set", "alias.unprotected", "hold.placed",
        "hold.released", "import.failed",
        "import.parked", "import.requested", "import.retried", "model.created", "model.deleted", "model.edited",
        "model.renamed", "model.renumbered", "model.restored", "policy.removed", "policy.set", "refresh.parked",
        "refresh.retried", "version.archived", "version.break_glass_acknowledged", "version.checked",
        "version.deleted", "version.demoted", "version.edited", "version.failed", "version.fetched",
        "version.lineage_added", "version.lineage_reinstated", "version.lineage_retracted", "version.measured",
        "version.noted", "version.promoted", "version.promoted_by_break_glass", "version.purged",
        "version.refresh_retried", "version.refreshed", "version.registered", "version.restored",
        "version.rolled_back", "version.rolled_back_unchecked", "version.undeleted", "version.verified",
    },
    "auth": _EVERYWHERE
    | {
        "account.erased", "bootstrap.issued", "session.closed", "session.opened", "token.created", "token.revoked",
    },
    "storage": _EVERYWHERE
    | {
        "artifact.deleted", "artifact.hashed", "artifact.lost", "artifact.parked", "artifact.retried",
        "artifact.written", "blob.collected", "blob.corrupt", "blob.format_discarded", "blob.missing", "blob.repaired",
        "object.collected", "store.adopted", "upload.collected", "upload.parked", "upload.retried",
    },
    "log": _EVERYWHERE | {"log.checkpointed"},
    "registry": _EVERYWHERE
    | _REQUESTS
    | {
        "clock.accepted", "hold.placed", "hold.released", "lineage.added", "lineage.reinstated", "lineage.retracted",
        "log.epoch_begun", "policy.removed", "policy.set", "registry.restored", "secret_key.replaced",
        "secret_key.rotated",
    },
}  # fmt: skip


def is_known(chain: str, action: str) -> bool:
    """Return whether an entry of *chain* (``model:<id>``, or a name) can have the action."""
    return action in ACTIONS.get(chain.partition(":")[0], frozenset())
