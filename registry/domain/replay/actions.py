"""The actions of the audit log: those that a replay takes."""

from __future__ import annotations

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
