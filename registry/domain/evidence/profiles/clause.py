"""A profile: the clauses of a text, and which kinds of recorded facts concern each."""

from __future__ import annotations

from dataclasses import dataclass

from registry.domain.evidence.kinds import FactKind


@dataclass(frozen=True, slots=True)
class ProfileClause:
    """One clause. ``title`` paraphrases it and is no quotation.

    ``missing`` is what the registry does not record and the reader has to add; empty where the facts are the whole
    answer. Without any ``kinds`` the clause is always a gap.
    """

    id: str
    title: str
    kinds: tuple[FactKind, ...] = ()
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Profile:
    """A text and its clauses. ``uncertain`` states what could not be verified about the text."""

    name: str
    title: str
    edition: str
    scope: str
    uncertain: str
    clauses: tuple[ProfileClause, ...]
