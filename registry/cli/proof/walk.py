"""Walk the entries of one chain as the API gives them: check hash, link and texts, and hand each on for replay."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from registry.domain.replay.entry import Entry
from registry.rules.hashes import commitment, leaf_hash

if TYPE_CHECKING:
    from registry.client.types import ChainEntryView, HeadView

FORMAT = 1
_MALFORMED = (ValueError, KeyError, TypeError, AttributeError, RecursionError)


class Broken(Exception):
    """The first entry of a chain that does not fit; the text says which and why."""


class Unfamiliar(Exception):
    """An entry of a later release, which this one cannot judge."""


@dataclass(slots=True)
class Walk:
    """The state of a walk over one chain. ``known`` has the hashes that must be met, by the number of the entry."""

    chain: str
    known: dict[int, str] = field(default_factory=dict)
    actions: frozenset[str] = frozenset()
    seq: int = 0
    leaf: str = ""
    redacted: int = 0
    missing: dict[tuple[str, str], str] = field(default_factory=dict)

    def entries(self, items: Iterable[ChainEntryView]) -> Iterator[Entry]:
        """Check the entries of the chain in their order. Raises Broken, or Unfamiliar."""
        for item in items:
            self.seq += 1
            try:
                document = self._document(item)
                entry = self._entry(item, document)
            except _MALFORMED as error:
                raise self._broken(item, "its bytes are no audit entry") from error
            if self.actions and entry.action not in self.actions:
                raise Unfamiliar(f"entry {self.seq} has the action {entry.action!r}, which this release does not know")
            yield entry

    def end(self, head: HeadView | None) -> None:
        """Compare the end of the walk with the head, the checkpoint and the erasures. Raises Broken."""
        if self.missing:
            raise Broken(next(iter(self.missing.values())))
        if head is None:
            raise Broken("no model or chain owns these entries")
        if late := [seq for seq in self.known if seq > self.seq]:
            raise Broken(f"entry {min(late)} is missing; a head or a checkpoint names it, {self.seq} are here")

    def _document(self, item: ChainEntryView) -> dict[str, Any]:
        if item["seq"] != self.seq:
            raise self._broken(item, f"entry {self.seq} is missing before it")
        body = base64.b64decode(item["body"], validate=True)
        leaf = leaf_hash(body)
        if leaf != item["leaf_hash"]:
            raise self._broken(item, "its bytes were changed: they do not have the recorded hash")
        document: dict[str, Any] = json.loads(body)
        if document["v"] != FORMAT:
            raise Unfamiliar(f"the format {document['v']} of entry {self.seq} is unknown to this release")
        if document["prev"] != self.leaf:
            raise self._broken(item, "it does not follow the entry before: its link names another hash")
        shown = (item["chain"], item["seq"], item["id"], item["action"], item["actor"])
        recorded = (document["agg"], document["seq"], document["id"], document["action"], document["actor"]["id"])
        if shown != recorded:
            raise self._broken(item, f"it is shown as {shown}, its bytes say {recorded}")
        if self.known.get(self.seq, leaf) != leaf:
            raise self._broken(item, "the head or a checkpoint names another entry in its place")
        self.leaf = leaf
        return document

    def _entry(self, item: ChainEntryView, document: Mapping[str, Any]) -> Entry:
        texts: dict[str, str | None] = {}
        for name, committed in document["commit"].items():
            stored = item["texts"].get(name)
            if stored is None:
                self.missing[document["id"], name] = (
                    f"entry {self.seq} ({item['action']}): its text {name!r} is gone, and no entry records its erasure"
                )
            elif commitment(base64.b64decode(stored["salt"], validate=True), stored["text"]) != committed:
                raise self._broken(item, f"its text {name!r} was changed")
            texts[name] = None if stored is None else stored["text"]
        if foreign := item["texts"].keys() - document["commit"].keys():
            raise self._broken(item, f"its text {min(foreign)!r} was added")
        facts = document.get("facts", {})
        for uid, name in facts.get("erased", []):
            self.redacted += self.missing.pop((uid, name), None) is not None
        return Entry(
            id=self.seq,
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

    def _broken(self, item: ChainEntryView, problem: str) -> Broken:
        return Broken(f"entry {self.seq} ({item['action']}): {problem}")
