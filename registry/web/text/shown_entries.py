"""Audit entries as pages show them: the sentence, and the recorded facts that it summarizes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from registry.db.records import EntryRecord
from registry.web.text.sentences import Sentence, sentence


@dataclass(frozen=True, slots=True)
class ShownEntry:
    """An entry with its sentence. ``published`` is the size of the latest published checkpoint, None without one."""

    record: EntryRecord
    sentence: Sentence
    published: int | None

    @property
    def seal(self) -> str:
        """Whether the entry is in the sealed log, in words."""
        position = self.record.position
        if position is None:
            return "not sealed yet: it has no position in the sealed log"
        if self.published is None:
            return f"position {position}; no checkpoint of the log is published"
        if position < self.published:
            return f"position {position}, covered by the published checkpoint of {self.published} entries"
        return f"position {position}; the next checkpoint will cover it"

    @property
    def is_provable(self) -> bool:
        """Return whether a proof of the entry is available."""
        return self.published is not None and self.record.position is not None and self.record.position < self.published

    @property
    def facts(self) -> Sequence[tuple[str, str]]:
        """The recorded facts, as labels and JSON."""
        record = self.record
        named = (("before", record.before), ("after", record.after), ("digests", record.digests))
        texts = ("texts", {name: text for name, text in record.texts.items() if name not in {"reason", "owner"}})
        return [(label, json_text(value)) for label, value in (*named, texts) if value]


def shown(records: Sequence[EntryRecord], published: int | None) -> Sequence[ShownEntry]:
    """Return the entries with their sentences."""
    return [ShownEntry(record, sentence(record), published) for record in records]


def json_text(value: Mapping[str, Any]) -> str:
    """Return a document as readable JSON."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
