"""A walk over one chain that hands each checked entry on for replay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from registry.domain.replay.entry import Entry
from registry.rules.audit_log import chains
from registry.rules.audit_log.chains import Text, broken
from registry.rules.audit_log.entries import MALFORMED, Broken, Unfamiliar

__all__ = ["MALFORMED", "Broken", "EntryWalk", "Text", "Unfamiliar", "broken"]


@dataclass(slots=True)
class EntryWalk(chains.ChainWalk):
    """The state of the walk, as the auditor's library has it."""

    def entry(self, number: int, document: Mapping[str, Any], stored: Mapping[str, Text]) -> Entry:
        """Return the entry with its texts, after they were compared with their commitments. Raises Broken.

        *number* becomes its id.
        """
        texts = self.texts(document["id"], document["action"], document["commit"], stored)
        facts = document.get("facts", {})
        self.erase(facts.get("erased", []))
        return Entry(
            id=number,
            uid=document["id"],
            at=document["ts"],
            action=document["action"],
            actor=document["actor"],
            subject=document["subject"],
            before=document["before"],
            after=document["after"],
            digests=document["digests"],
            facts=facts,
            texts=texts,
        )
