"""A statement: a recorded fact with the entry that attests it, its values as texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from registry.domain import canonical_json
from registry.domain.evidence.acts import Act
from registry.domain.evidence.kinds import FactKind

LONGEST = 500
"""The characters that are kept of a value."""


@dataclass(frozen=True, slots=True)
class AttestedBy:
    """The entry that recorded a statement, and who did it; ``name`` is None where it was erased.

    ``redacted`` states that the reason in the entry was erased.
    """

    entry: str
    position: int
    action: str
    account: str
    name: str | None
    roles: tuple[str, ...]
    at: str
    redacted: bool


@dataclass(frozen=True, slots=True)
class Statement:
    """A recorded fact. ``document`` names the facts that it is taken from, ``basis`` what those rest on."""

    kind: FactKind
    document: str
    values: tuple[tuple[str, str], ...]
    attested: AttestedBy | None
    basis: str
    version: int | None = None


def attested_by(act: Act | None) -> AttestedBy | None:
    """Return what of an act a statement has."""
    if act is None:
        return None
    return AttestedBy(act.entry, act.position, act.action, act.account, act.name, act.roles or (), act.at, act.redacted)


def shown(values: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return the values that are there as texts, each cut to :data:`LONGEST` characters."""
    return tuple((label, _cut(_as_text(value))) for label, value in values.items() if value not in (None, "", [], {}))


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    if isinstance(value, bool):
        return str(value).lower()
    return canonical_json.dumps(value).decode() if isinstance(value, Mapping | list) else str(value)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text):,} characters)"
