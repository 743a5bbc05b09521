"""Differences between the facts of a registration and those of a version. Omitted facts are not compared."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from registry.domain import fact_digests

SHOWN_CHARACTERS, LISTED = 200, 100
ANOTHER = "register another version with --new-version (API: anew)"


@dataclass(frozen=True, slots=True)
class Difference:
    """A fact that was sent and that the version has with another value, or not at all (``kept`` is None).

    An *addable* one may be added to a version; the others are fixed at registration.
    """

    fact: str
    kept: Any
    sent: Any
    addable: bool = False

    def shown(self) -> dict[str, Any]:
        """Return the difference as a document, long values cut."""
        return {"fact": self.fact, "kept": _cut(self.kept), "sent": _cut(self.sent), "addable": self.addable}

    def __str__(self) -> str:
        kept = "is not there" if self.kept is None else f"is {_spelled(self.kept)} there"
        return f"{self.fact} {kept}, {_spelled(self.sent)} was sent"


def of_values(
    kind: str, kept: Mapping[str, Any], sent: Mapping[str, Any], *, addable: bool = False
) -> list[Difference]:
    """Return the values of *sent* that differ from *kept*, each named ``kind.key``; None in *sent* is not compared."""
    return [
        Difference(f"{kind}.{key}", kept.get(key), value, addable)
        for key, value in sorted(sent.items())
        if value is not None and not fact_digests.same(value, kept.get(key))
    ]


def of_value(fact: str, kept: Any, sent: Any, *, addable: bool = False) -> list[Difference]:
    """Return the difference of one fact; None or an empty text in *sent* is not compared."""
    if sent is None or sent == "" or fact_digests.same(kept, sent):
        return []
    return [Difference(fact, kept, sent, addable)]


def of_members(
    kind: str, kept: Sequence[Mapping[str, Any]], sent: Iterable[tuple[str, Mapping[str, Any]]]
) -> list[Difference]:
    """Return the documents of *sent*, each with its name, that no document of *kept* contains."""
    return [
        Difference(f"{kind}.{name}", None, {key: value for key, value in document.items() if value is not None})
        for name, document in sent
        if not any(_contains(one, document) for one in kept)
    ]


def sentence(version: str, origin: str, differences: Sequence[Difference]) -> str:
    """Return the differences from a version with the same files and *origin* as one sentence, with what to do."""
    listed = "; ".join(str(one) for one in differences[:5]) + (
        f"; and {len(differences) - 5} more" if len(differences) > 5 else ""
    )
    fixed = [one.fact for one in differences if not one.addable]
    if fixed:
        remedy = f"{', '.join(fixed[:5])} cannot be added to a version: {ANOTHER}"
    else:
        remedy = f"Add them to it with --update (API: update), or {ANOTHER}"
    return f"{version} has the same files and {origin}, but other facts: {listed}. {remedy}"


def _contains(kept: Mapping[str, Any], sent: Mapping[str, Any]) -> bool:
    return all(value is None or fact_digests.same(kept.get(key), value) for key, value in sent.items())


def _cut(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"


def _spelled(value: Any) -> str:
    cut = _cut(value)
    return repr(cut) if isinstance(cut, str) and isinstance(value, str) else str(cut)
