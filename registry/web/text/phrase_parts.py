"""Parts of sentences about audit entries: words, and references to models and versions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from registry.db.records import EntryRecord

T = TypeVar("T")

DIGEST_PART = 12  # hexadecimal digits of a digest
NAMED = 6  # fields, tags or metrics that a sentence names


@dataclass(frozen=True, slots=True)
class PhraseReference:
    """The name of a model or of a version; pages link it."""

    model: str
    number: int | None = None
    shown: str = ""

    def __str__(self) -> str:
        return self.shown or (self.model if self.number is None else f"{self.model}:{self.number}")


Parts = Iterator[str | PhraseReference]
Phrase = Callable[[EntryRecord], Parts]


def model_of(entry: EntryRecord) -> PhraseReference:
    """Return the model of an entry. Raises LookupError without one."""
    return PhraseReference(_given(entry.model))


def version_of(entry: EntryRecord) -> PhraseReference:
    """Return the version of an entry. Raises LookupError without one."""
    return PhraseReference(_given(entry.model), _given(entry.version))


def related_to(entry: EntryRecord) -> PhraseReference:
    """Return the other version of an entry, shown as its number. Raises LookupError without one."""
    return PhraseReference(_given(entry.model), _given(entry.related_version), str(entry.related_version))


def number_of(entry: EntryRecord) -> PhraseReference:
    """Return an entry's version, shown as its number. Raises LookupError without one."""
    return PhraseReference(_given(entry.model), _given(entry.version), str(entry.version))


def _given(part: T | None) -> T:
    if part is None:
        raise LookupError("the entry lacks it")
    return part


def text_of(entry: EntryRecord, name: str, default: str = "(redacted)") -> str:
    """Return a text of an entry; *default* for one that was redacted, or that it never had."""
    return entry.texts.get(name, default)


def counted(items: Collection[Any], one: str, more: str) -> str:
    """Return *one* for a single item, else *more*."""
    return one if len(items) == 1 else more


def edges_of(entry: EntryRecord) -> str:
    """Return how many edges of the lineage an entry is about."""
    count = entry.after["edges"]
    return "an edge" if count == 1 else f"{count} edges"


def listed(lead: str, items: Iterable[str]) -> str:
    """Return *lead* and the first items; nothing without items."""
    named = [*items]
    rest = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
    return f"{lead}{', '.join(named[:NAMED])}{rest}" if named else ""


def short_digest(digest: str) -> str:
    """Return a digest with its first digits."""
    algorithm, separator, value = digest.partition(":")
    return f"{algorithm}{separator}{value[:DIGEST_PART]}"
