"""Replay of the chain ``registry``: its epoch, and where the versions of new models are numbered from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from registry.domain.replay.entry import BASELINE, ERASED, Entry, Unreplayable

CLOCK_ACCEPTED = "clock.accepted"  # it concerns no row that answers are read from


@dataclass(slots=True)
class Restorations:
    """``epoch`` and ``backup`` are None before the first restoration."""

    first_number: int = 1
    epoch: str | None = None
    at: str | None = None
    backup: str | None = None


def replay(entries: Iterable[Entry]) -> Restorations:
    """Return what the latest restoration left. Raises Unreplayable as ``model.replay`` does."""
    found = Restorations()
    for entry in entries:
        if entry.action == "registry.restored":
            backup = entry.digests.get("backup")
            found = Restorations(
                entry.after["first_number"], entry.after["epoch"], entry.at, backup and backup.removeprefix("sha256:")
            )
        elif entry.action not in {BASELINE, ERASED, CLOCK_ACCEPTED}:
            raise Unreplayable(f"this release does not know the action {entry.action!r}")
    return found
