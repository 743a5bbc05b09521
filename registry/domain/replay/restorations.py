"""Replay of the chain ``registry``: its epochs, secret keys, default policies and the first number of new models."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from registry.domain.lineage import LINEAGE_OF_DATA
from registry.domain.replay import gates, holds
from registry.domain.replay.entry import BASELINE, ERASED, Entry, Unreplayable
from registry.domain.replay.gates import Assigned
from registry.domain.replay.replayed import ReplayedHold
from registry.domain.replay.requests import OF_REQUESTS, ReplayedRequests

CLOCK_ACCEPTED = "clock.accepted"
RESTORED = "registry.restored"
EPOCH_BEGUN = "log.epoch_begun"
KEY_ROTATED, KEY_REPLACED = "secret_key.rotated", "secret_key.replaced"


@dataclass(slots=True)
class Restorations:
    """``epoch`` and ``backup`` are None before the first restoration.

    ``uncertain`` has the spans that acceptances of the clock made: their least end by their :func:`span`.
    ``secret_keys`` has the fingerprints of the keys, the newest first; None before the key was first changed.
    ``origin`` is the name of the sealed log in its latest epoch; None before the second one.
    ``policies`` are those that were the default one, ``requests`` those for another one.
    ``unsealed_until`` is the end of the time in which rows without a seal act, as the latest ``baseline`` accepted it.
    """

    first_number: int = 1
    epoch: str | None = None
    at: str | None = None
    backup: str | None = None
    uncertain: dict[str, str] = field(default_factory=dict)
    secret_keys: list[str] | None = None
    unsealed_until: str | None = None
    baseline: str | None = None
    origin: str | None = None
    policies: list[Assigned] = field(default_factory=list)
    holds: dict[str, ReplayedHold] = field(default_factory=dict)
    requests: ReplayedRequests = field(default_factory=ReplayedRequests)


def replay(entries: Iterable[Entry]) -> Restorations:
    """Return what the latest restoration left. Raises Unreplayable as ``model.replay`` does."""
    restorations = Restorations()
    for entry in entries:
        if entry.action == RESTORED:
            backup = entry.digests.get("backup")
            restorations = Restorations(
                entry.after["first_number"], entry.after["epoch"], entry.at, backup and backup.removeprefix("sha256:"),
                restorations.uncertain, restorations.secret_keys, restorations.unsealed_until, restorations.baseline,
                restorations.origin, restorations.policies, restorations.holds, restorations.requests,
            )  # fmt: skip
        elif entry.action in {KEY_ROTATED, KEY_REPLACED}:
            restorations.secret_keys = entry.after["secret_keys"]
        elif entry.action == EPOCH_BEGUN:
            restorations.origin = entry.after["origin"]
        elif entry.action == CLOCK_ACCEPTED:
            for aggregate, since, until in entry.facts.get("uncertain", ()):
                name = span(aggregate, since)
                restorations.uncertain[name] = max(until, restorations.uncertain.get(name, ""))
        elif entry.action == BASELINE:
            restorations.unsealed_until, restorations.baseline = entry.facts.get("unsealed_until"), entry.at
        elif entry.action in gates.OF_POLICIES:
            restorations.policies.append(gates.assigned(entry))
        elif entry.action in holds.ACTIONS:
            holds.apply(restorations.holds, entry)
        elif entry.action in OF_REQUESTS:
            restorations.requests.apply(entry)
        elif entry.action not in {ERASED, *LINEAGE_OF_DATA}:
            raise Unreplayable(f"this release cannot replay the action {entry.action!r}")
    return restorations


def span(aggregate: str, since: str) -> str:
    """Return what names a span in which a wrong clock dated a chain's entries."""
    return f"{aggregate} since {since}"
