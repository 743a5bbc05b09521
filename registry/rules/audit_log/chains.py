"""A walk over one chain: hash, link and texts of each entry, and the missing texts that a later entry explains.

The service walks over its rows, the command line over what the API answers, and an auditor over a file; all check this
of every entry.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .entries import Broken, Unfamiliar, commitment, leaf_hash, read_entry

Text = tuple[bytes, str]  # a text with the salt of its commitment


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
        if seq != self.seq + 1:
            self.seq += 1
            raise broken(seq, action, f"entry {self.seq} is missing before it")
        if leaf_hash(body) != leaf:
            self.seq += 1
            raise broken(seq, action, "its bytes were changed: they do not have the recorded hash")
        try:
            document = read_entry(body)
        except Unfamiliar as error:
            self.seq += 1
            raise Unfamiliar(f"entry {seq} ({action}): {error}") from error
        self.follow(seq, action, document["prev"], leaf)
        return document

    def follow(self, seq: int, action: str, previous: str, leaf: str) -> None:
        """Step to the entry with the hash *leaf*, which names *previous* as the one before it. Raises Broken."""
        expected, before = self.seq + 1, self.leaf
        self.seq, self.leaf = seq, leaf
        if seq > expected:
            raise broken(seq, action, f"entry {expected} is missing before it")
        if seq < expected:
            raise broken(seq, action, f"it comes after entry {expected - 1}")
        if previous != before:
            raise broken(seq, action, "it does not follow the entry before: its link names another hash")

    def texts(
        self, uid: str, action: str, committed: Mapping[str, str], stored: Mapping[str, Text]
    ) -> dict[str, str | None]:
        """Return the texts of an entry, None for one that is missing, after their commitments were compared.

        *committed* are the commitments in the entry's bytes. Raises Broken.
        """
        texts: dict[str, str | None] = {}
        for name, value in committed.items():
            salt, text = stored.get(name, (b"", None))
            if text is None:
                problem = f"its text {name!r} is gone, and no entry records its erasure"
                self.missing[uid, name] = str(broken(self.seq, action, problem))
            elif commitment(salt, text) != value:
                raise broken(self.seq, action, f"its text {name!r} was changed")
            texts[name] = text
        if foreign := stored.keys() - committed.keys():
            raise broken(self.seq, action, f"its text {min(foreign)!r} was added")
        return texts

    def erase(self, erased: Iterable[tuple[str, str]]) -> None:
        """Take note of the texts, by entry and name, that an entry records as erased."""
        for uid, name in erased:
            self.redacted += self.missing.pop((uid, name), None) is not None

    def require_explained(self) -> None:
        """Raise Broken for a missing text that no entry records as erased."""
        for problem in self.missing.values():
            raise Broken(problem)


def broken(seq: int, action: str, problem: str) -> Broken:
    """Return the error for an entry by its number and action."""
    return Broken(f"entry {seq} ({action}): {problem}")
