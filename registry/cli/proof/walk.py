"""Walk the entries of one chain as the API gives them: check hash, link and texts, and hand each on for replay."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from registry.domain.replay.chain import MALFORMED, Broken, EntryWalk, Unfamiliar, broken
from registry.domain.replay.entry import Entry

if TYPE_CHECKING:
    from registry.client.types import ChainEntryView, HeadView


@dataclass(slots=True)
class Walk(EntryWalk):
    """The state of a walk over one chain. ``known`` has the hashes that must be met, by the number of the entry."""

    known: dict[int, str] = field(default_factory=dict)
    actions: frozenset[str] = frozenset()

    def entries(self, items: Iterable[ChainEntryView]) -> Iterator[Entry]:
        """Check the entries of the chain in their order. Raises Broken, or Unfamiliar."""
        for item in items:
            try:
                entry = self._entry(item)
            except MALFORMED as error:
                raise broken(item["seq"], item["action"], "its bytes are no audit entry") from error
            if self.actions and entry.action not in self.actions:
                raise Unfamiliar(f"entry {self.seq} has the action {entry.action!r}, which is unknown to this release")
            yield entry

    def end(self, head: HeadView | None) -> None:
        """Compare the end of the walk with the head, the checkpoint and the erasures. Raises Broken."""
        self.require_explained()
        if head is None:
            raise Broken("no model or chain owns these entries")
        if late := [seq for seq in self.known if seq > self.seq]:
            raise Broken(f"entry {min(late)} is missing; a head or a checkpoint names it, {self.seq} are here")

    def _entry(self, item: ChainEntryView) -> Entry:
        body = _decoded(item["body"])
        document = self.opened(body, seq=item["seq"], action=item["action"], leaf=item["leaf_hash"])
        fields = (item["chain"], item["seq"], item["id"], item["action"], item["actor"])
        recorded = (document["agg"], document["seq"], document["id"], document["action"], document["actor"]["id"])
        if fields != recorded:
            raise broken(self.seq, item["action"], f"it is shown as {fields}, its bytes have {recorded}")
        if self.known.get(self.seq, self.leaf) != self.leaf:
            raise broken(self.seq, item["action"], "the head or a checkpoint names another entry in its place")
        texts = {name: (_decoded(stored["salt"]), stored["text"]) for name, stored in item["texts"].items()}
        return self.entry(self.seq, document, texts)


def _decoded(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
