"""Replay of requests for approval, and of the acts on them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from registry.domain.replay.entry import Entry
from registry.domain.requests import CLOSING, ActKind

OPENED = "request.opened"
KINDS = {f"request.{kind.value}": kind for kind in ActKind}
OF_REQUESTS = (OPENED, *KINDS)


class ReplayedAct(NamedTuple):
    """A comment on a request, or a decision about it."""

    request: str
    kind: str
    account: str
    issuer: str | None
    roles: tuple[str, ...]
    at: str
    entry: str


@dataclass(slots=True)
class ReplayedRequests:
    """The requests of a chain by their ids: their columns, with what closed each. ``acts`` are in order of time."""

    opened: dict[str, dict[str, Any]] = field(default_factory=dict)
    acts: list[ReplayedAct] = field(default_factory=list)

    def apply(self, entry: Entry) -> None:
        """Apply an entry of OF_REQUESTS. Raises KeyError for an act on a request that was never opened."""
        request, issuer = entry.after["request"], entry.actor.get("issuer")
        if entry.action == OPENED:
            self.opened[request] = {
                **{name: value for name, value in entry.after.items() if name != "request"},
                "version": entry.subject.get("version"),
                "policy": entry.digests.get("policy"),
                "manifest": entry.digests.get("manifest"),
                "requested_by": entry.actor["id"],
                "issuer": issuer,
                "opened": (entry.at, entry.uid),
                "closed": ("open", None, None),
            }
            return
        kind = KINDS[entry.action]
        if state := CLOSING.get(kind):
            self.opened[request]["closed"] = (state.value, entry.at, entry.uid)
        roles = tuple(entry.after["roles"])
        self.acts.append(ReplayedAct(request, kind.value, entry.actor["id"], issuer, roles, entry.at, entry.uid))
