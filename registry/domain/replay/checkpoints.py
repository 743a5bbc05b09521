"""Replay of the chain ``log``: the latest head of each chain that a checkpoint names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from registry.domain.replay.entry import BASELINE, ERASED, Entry, Unreplayable

CHECKPOINT = "log.checkpointed"


@dataclass(slots=True)
class Checkpoints:
    """``heads`` has the number and the hash of a chain's entry; chains may have grown since, never shrunk."""

    heads: dict[str, tuple[int, str]] = field(default_factory=dict)
    at: str | None = None


def replay(entries: Iterable[Entry]) -> Checkpoints:
    """Return the heads that the checkpoints name. Raises Unreplayable for a chain that a later checkpoint shortens."""
    checkpoints = Checkpoints()
    for entry in entries:
        if entry.action == CHECKPOINT:
            _add_heads(checkpoints, entry.facts.get("heads", {}))
            checkpoints.at = entry.at
        elif entry.action not in {BASELINE, ERASED}:
            raise Unreplayable(f"this release cannot replay the action {entry.action!r}")
    return checkpoints


def _add_heads(checkpoints: Checkpoints, heads: Mapping[str, tuple[int, str]]) -> None:
    for aggregate, (seq, leaf) in heads.items():
        if seq < checkpoints.heads.get(aggregate, (0, ""))[0]:
            raise Unreplayable(f"a checkpoint names entry {seq} of {aggregate} after a later one")
        checkpoints.heads[aggregate] = (seq, leaf)
