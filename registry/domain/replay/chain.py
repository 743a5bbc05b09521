"""A walk over one chain: hash, link and texts of each entry, and the missing texts that a later entry explains.

The service walks over its rows and the command line over what the API answers; both check this of every entry.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from registry.domain.replay.entry import Entry
from registry.rules.audit_hashes import FORMAT, commitment, leaf_hash

MALFORMED = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
Text = tuple[bytes, str]  # a text with the salt of its commitment


class Broken(Exception):
    """The first entry of a chain that does not fit; the text has the entry and the reason."""


class Unfamiliar(Broken):
    """An entry of a later release, which this one cannot judge."""


@dataclass(slots=True)
class ChainWalk:
    """The state of the walk: number and hash of its last entry, and the texts that are missing so far.

    ``redacted`` counts the missing texts that a later entry records as erased.
    """

    chain: str
    seq: int = 0
    leaf: str = ""
    redacted: int = 0
    missing: dict[tuple[str, str], str] = field(default_factory=dict)

    def opened(self, body: bytes, *, seq: int, action: str, leaf: str) -> dict[str, Any]:
        """Step to the next entry and return its document. Raises Broken, Unfamiliar, or one of MALFORMED.

        *seq*, *action* and *leaf* are its number, action and hash as they are stored next to the bytes.
        """
        self.seq += 1
        if seq != self.seq:
            raise broken(seq, action, f"entry {self.seq} is missing before it")
        if leaf_hash(body) != leaf:
            raise broken(seq, action, "its bytes were changed: they do not have the recorded hash")
        document: dict[str, Any] = json.loads(body)
        if document["v"] != FORMAT:
            raise Unfamiliar(f"entry {seq} ({action}): its format {document['v']} is unknown to this release")
        if document["prev"] != self.leaf:
            raise broken(seq, action, "it does not follow the entry before: its link names another hash")
        self.leaf = leaf
        return document

    def entry(self, number: int, document: Mapping[str, Any], stored: Mapping[str, Text]) -> Entry:
        """Return the entry with its texts, after they were compared with their commitments. Raises Broken.

        *number* becomes its id.
        """
        texts: dict[str, str | None] = {}
        for name, committed in document["commit"].items():
            salt, text = stored.get(name, (b"", None))
            if text is None:
                problem = f"its text {name!r} is gone, and no entry records its erasure"
                self.missing[document["id"], name] = str(broken(self.seq, document["action"], problem))
            elif commitment(salt, text) != committed:
                raise broken(self.seq, document["action"], f"its text {name!r} was changed")
            texts[name] = text
        if foreign := stored.keys() - document["commit"].keys():
            raise broken(self.seq, document["action"], f"its text {min(foreign)!r} was added")
        facts = document.get("facts", {})
        for uid, name in facts.get("erased", []):
            self.redacted += self.missing.pop((uid, name), None) is not None
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

    def require_explained(self) -> None:
        """Raise Broken for a missing text that no entry records as erased."""
        for problem in self.missing.values():
            raise Broken(problem)


def broken(seq: int, action: str, problem: str) -> Broken:
    """Return the error for an entry by its number and action."""
    return Broken(f"entry {seq} ({action}): {problem}")
