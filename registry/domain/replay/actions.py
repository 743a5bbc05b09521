"""The actions of the audit log: those that a replay takes."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from registry.domain.lineage import LINEAGE_OF_DATA
from registry.domain.replay import access, holds, model, storage
from registry.domain.replay.checkpoints import CHECKPOINT
from registry.domain.replay.entry import BASELINE, ERASED
from registry.domain.replay.gates import OF_POLICIES
from registry.domain.replay.requests import OF_REQUESTS
from registry.domain.replay.restorations import CLOCK_ACCEPTED, EPOCH_BEGUN, KEY_REPLACED, KEY_ROTATED, RESTORED

ACTIONS = frozenset(
    {
        *access.ACTIONS,
        *model.ACTIONS,
        *storage.ACTIONS,
        *holds.ACTIONS,
        BASELINE,
        CHECKPOINT,
        CLOCK_ACCEPTED,
        EPOCH_BEGUN,
        ERASED,
        KEY_REPLACED,
        KEY_ROTATED,
        *LINEAGE_OF_DATA,
        *OF_POLICIES,
        *OF_REQUESTS,
        RESTORED,
    }
)

GROUPS: Mapping[str, Collection[str]] = {
    f"{group}.*": tuple(sorted(action for action in ACTIONS if action.startswith(f"{group}.")))
    for group in sorted({action.partition(".")[0] for action in ACTIONS})
}
"""The actions of each group, by the name that a filter has for it: ``version.*``."""


def named_by(name: str) -> Collection[str]:
    """Return the actions that a filter names: those of a group, or one."""
    return GROUPS.get(name, (name,))
