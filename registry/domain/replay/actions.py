"""The actions of the audit log: those that a replay takes."""

from __future__ import annotations

from collections.abc import Collection

from registry.domain.replay import access, model, storage
from registry.domain.replay.checkpoints import CHECKPOINT
from registry.domain.replay.entry import BASELINE, ERASED
from registry.domain.replay.restorations import CLOCK_ACCEPTED, EPOCH_BEGUN, KEY_REPLACED, KEY_ROTATED, RESTORED

ACTIONS = frozenset(
    {
        *access.ACTIONS,
        *model.ACTIONS,
        *storage.ACTIONS,
        BASELINE,
        CHECKPOINT,
        CLOCK_ACCEPTED,
        EPOCH_BEGUN,
        ERASED,
        KEY_REPLACED,
        KEY_ROTATED,
        RESTORED,
    }
)

_GROUP = ".*"


def named_by(name: str) -> Collection[str]:
    """Return the actions that a filter names: one, or those of a group, as ``version.*`` for ``version.promoted``."""
    if not name.endswith(_GROUP):
        return (name,)
    return sorted(action for action in ACTIONS if action.startswith(name.removesuffix("*")))


def groups() -> Collection[str]:
    """Return the names of all groups."""
    return sorted({action.partition(".")[0] + _GROUP for action in ACTIONS})
