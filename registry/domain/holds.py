"""Holds: kinds, and how a hold is shown wherever its version is resolved."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from registry.domain import clock

PLACED, RELEASED = "hold.placed", "hold.released"
ACTIONS = (PLACED, RELEASED)
MOST_OF_ONE = 20  # active ones on one version, digest or model
MOST_UPSTREAM = 100  # active ones on data and models: every move of a version reads their ids


class HoldKind(StrEnum):
    """What a hold is on: one version; or data, or a base model, with every version downstream of it."""

    VERSION = "version"
    DATA = "data"
    MODEL = "model"


@dataclass(frozen=True, slots=True)
class HoldNotice:
    """An active hold on a version. ``target`` is a version like ``fraud:3``, a digest, or the URI of a base model.

    ``certain`` is false where the lineage is too large to decide whether the version is downstream of the target.
    """

    id: int
    kind: str
    target: str
    reason: str | None
    placed_at: datetime
    placed_by: str
    entry: str
    certain: bool = True

    @property
    def document(self) -> dict[str, Any]:
        """The notice as JSON."""
        return {
            "id": self.id,
            "kind": self.kind,
            "target": self.target,
            "reason": self.reason,
            "placed_at": clock.wire(self.placed_at),
            "placed_by": self.placed_by,
            "entry": self.entry,
            "certain": self.certain,
        }

    @property
    def text(self) -> str:
        """The notice in a line."""
        on = "" if self.kind == HoldKind.VERSION else f" on {short(self.kind, self.target)}"
        doubt = "" if self.certain else " (its lineage is too large to decide whether this concerns it)"
        return f"hold {self.id}{on}{f': {self.reason}' if self.reason else ''}{doubt}"


def short(kind: str, target: str) -> str:
    """Return the target for a line: of several digests of the same data the first one."""
    return target.partition(" ")[0] if kind == HoldKind.DATA else target


def facts(holds: Sequence[HoldNotice]) -> list[str]:
    """Return the part of an ETag that changes when a hold is placed or released; empty without any."""
    if not holds:
        return []
    named = ",".join(f"{one.id}{'' if one.certain else '?'}" for one in holds)
    return [f"held{hashlib.sha256(named.encode()).hexdigest()[:12]}"]
