"""Replay of the chain ``registry``: its epoch, and where the versions of new models are numbered from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from registry.domain.replay.entry import BASELINE, ERASED, Entry, Unreplayable

CLOCK_ACCEPTED = "clock.accepted"
RESTORED = "registry.restored"


@dataclass(slots=True)
class Restorations:
    """``epoch`` and ``backup`` are None before the first restoration.

    ``uncertain`` has the spans that acceptances of the clock made: their least end by their :func:`span`.
    """

    first_number: int = 1
    epoch: str | None = None
    at: str | None = None
    backup: str | None = None
    uncertain: dict[str, str] = field(default_factory=dict)


def replay(entries: Iterable[Entry]) -> Restorations:
    """Return what the latest restoration left. Raises Unreplayable as ``model.replay`` does."""
    found = Restorations()
    for entry in entries:
        if entry.action == RESTORED:
            backup = entry.digests.get("backup")
            found = Restorations(
                entry.after["first_number"], entry.after["epoch"], entry.at, backup and backup.removeprefix("sha256:"),
                found.uncertain,
            )  # fmt: skip
        elif entry.action == CLOCK_ACCEPTED:
            for aggregate, since, until in entry.facts.get("uncertain", ()):
                name = span(aggregate, since)
                found.uncertain[name] = max(until, found.uncertain.get(name, ""))
        elif entry.action not in {BASELINE, ERASED}:
            raise Unreplayable(f"this release does not know the action {entry.action!r}")
    return found


def span(aggregate: str, since: str) -> str:
    """Return what names a span in which a wrong clock dated a chain's entries."""
    return f"{aggregate} since {since}"
