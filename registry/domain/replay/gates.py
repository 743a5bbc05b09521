"""Replay of policies and of what guarded moves were decided on."""

from __future__ import annotations

from typing import NamedTuple

from registry.domain.replay.entry import Entry

POLICY_SET, POLICY_REMOVED = "policy.set", "policy.removed"
OF_POLICIES = (POLICY_SET, POLICY_REMOVED)


class Assigned(NamedTuple):
    """A policy that guards a model, or is the default one, from then on; ``digest`` is None where it was removed."""

    number: int
    digest: str | None
    at: str
    entry: str


class Decided(NamedTuple):
    """What a guarded move was decided on: the digests of the policy, and of facts and verdicts."""

    number: int
    target: str
    policy: str
    gates: str
    at: str


def assigned(entry: Entry) -> Assigned:
    """Return the assignment that an entry of OF_POLICIES records."""
    return Assigned(entry.after["number"], entry.after["policy"], entry.at, entry.uid)


def decided(entry: Entry) -> Decided | None:
    """Return what the move of an entry was decided on; None where no policy guarded it."""
    if "gates" not in entry.after:
        return None
    target = entry.after.get("stage") or "@" + next(iter(entry.after["aliases"]))
    return Decided(entry.subject["version"], target, entry.after["policy"], entry.after["gates"], entry.at)
