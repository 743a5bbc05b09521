"""The examples of holds in the OpenAPI document, of the story in ``examples``."""

from __future__ import annotations

from registry.api.examples import TRAINING
from registry.api.lineage_examples import AFFECTED

_ENTRY = "8f0b6f0e-4a4e-4c1c-9b53-6a1d1b7a9c21"
HOLD = {"kind": "data", "target": TRAINING, "reason": "the export had the test customers in it"}
_HELD = {
    "id": 4,
    "kind": "data",
    "target": TRAINING,
    "model": None,
    "number": None,
    "reason": "the export had the test customers in it",
    "placed_at": "2026-11-22T08:05:00.000000Z",
    "placed_by": "ann",
    "entry": _ENTRY,
    "released_at": None,
    "released_by": None,
    "release_reason": None,
    "release_entry": None,
}
PLACED = {"hold": _HELD, "left": False, "successor": None, "move_entry": None}
RECALL = {
    "hold": _HELD,
    "downstream": 1,
    "live": 1,
    "staging": 0,
    "complete": False,
    "departures": [],
}
VERSIONS = {
    "items": [{"affected": AFFECTED, "aliases": ["champion"], "promoted_by": "ann"}],
    "next_cursor": None,
}
RELEASE = {"reason": "the customers are real: the flag was wrong"}
