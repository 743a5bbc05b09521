"""Replay of holds, which are in the chain of a model or of the registry: by the entry that placed them."""

from __future__ import annotations

from registry.domain.holds import ACTIONS, PLACED
from registry.domain.replay.entry import Entry, Unreplayable
from registry.domain.replay.replayed import ReplayedHold

__all__ = ["ACTIONS", "apply"]


def apply(holds: dict[str, ReplayedHold], entry: Entry) -> None:
    """Place or release a hold, as the entry has it. Raises Unreplayable for one that was not placed, or is released."""
    if entry.action == PLACED:
        hold = entry.after["hold"]
        number = entry.subject.get("version")
        holds[entry.uid] = ReplayedHold(
            hold["kind"], hold["target"], number, entry.at, entry.uid, version=hold.get("version")
        )
        return
    released = holds.get(entry.before["hold"])
    if released is None or released.released_at is not None or released.number != entry.subject.get("version"):
        raise Unreplayable(f"there is no active hold of the entry {entry.before['hold']}")
    released.released_at, released.released_entry = entry.at, entry.uid
