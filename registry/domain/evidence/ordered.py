"""Facts in the order of a profile's clauses: each clause has the facts that concern it, or is a gap.

A clause is never stated to be met: facts of an audit log show what was recorded, and a person judges it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from registry.domain.evidence.facts import EvidenceQuery, SealedState, document
from registry.domain.evidence.kinds import FactKind
from registry.domain.evidence.profiles import Profile, ProfileClause
from registry.domain.evidence.statement import AttestedBy, Statement
from registry.domain.evidence.statements import StatementsOfKind

NOTICE = (
    "This is no legal advice. It orders recorded facts by the clauses of a text, and states no opinion on whether a "
    "clause is met. Titles are paraphrases; the text itself decides."
)


class ClauseStatus(StrEnum):
    """``gap``: no fact concerns the clause. ``partial``: facts do, and the rest has to be added."""

    GAP = "gap"
    PARTIAL = "partial"


@dataclass(frozen=True, slots=True)
class NumberedStatement:
    """A statement with its id in the documents of the profile, like ``metric-1``."""

    id: str
    statement: Statement


@dataclass(frozen=True, slots=True)
class ClauseFacts:
    """A clause with the facts that concern it; ``left_out`` counts those that are not listed, by kind."""

    clause: ProfileClause
    facts: Sequence[NumberedStatement]
    left_out: Mapping[FactKind, int]

    @property
    def total(self) -> int:
        return len(self.facts) + sum(self.left_out.values())

    @property
    def status(self) -> ClauseStatus:
        return ClauseStatus.PARTIAL if self.facts else ClauseStatus.GAP


@dataclass(frozen=True, slots=True)
class OrderedProfile:
    profile: Profile
    query: EvidenceQuery
    sealed: SealedState
    sections: Sequence[ClauseFacts]
    recorded: Sequence[NumberedStatement]

    @property
    def gaps(self) -> int:
        return sum(section.status is ClauseStatus.GAP for section in self.sections)


def order(
    profile: Profile, statements: Mapping[FactKind, StatementsOfKind], *, query: EvidenceQuery, sealed: SealedState
) -> OrderedProfile:
    """Return the sections of the profile, in the order of its clauses."""
    wanted = {kind for clause in profile.clauses for kind in clause.kinds}
    recorded = {
        kind: [
            NumberedStatement(f"{kind.replace(' ', '-')}-{number}", statement)
            for number, statement in enumerate(statements[kind].statements, start=1)
        ]
        for kind in FactKind
        if kind in wanted and kind in statements
    }
    sections = [
        ClauseFacts(
            clause,
            [fact for kind in clause.kinds for fact in recorded.get(kind, ())],
            {
                kind: statements[kind].total - len(recorded[kind])
                for kind in clause.kinds
                if kind in recorded and statements[kind].total > len(recorded[kind])
            },
        )
        for clause in profile.clauses
    ]
    return OrderedProfile(profile, query, sealed, sections, [fact for facts in recorded.values() for fact in facts])


def as_json(ordered: OrderedProfile) -> bytes:
    """Return ``facts/profile.json``: the clauses with the ids of their facts, and the facts."""
    profile = ordered.profile
    content = {
        "profile": profile.name,
        "title": profile.title,
        "edition": profile.edition,
        "scope": profile.scope,
        "uncertain": profile.uncertain,
        "notice": NOTICE,
        "query": document(ordered.query),
        "log": document(ordered.sealed),
        "clauses": [
            {
                "clause": section.clause.id,
                "title": section.clause.title,
                "status": section.status,
                "missing": section.clause.missing,
                "facts": [fact.id for fact in section.facts],
                "left_out": {kind.value: count for kind, count in section.left_out.items()},
            }
            for section in ordered.sections
        ],
        "facts": [_fact_document(fact) for fact in ordered.recorded],
    }
    return json.dumps(content, ensure_ascii=False, indent=1).encode() + b"\n"


COLUMNS = (
    *("clause", "title", "status", "missing", "fact", "kind", "version", "statement", "basis", "facts"),
    *("account", "name", "roles", "action", "at", "entry", "position"),
)


def as_rows(ordered: OrderedProfile) -> Iterator[Sequence[Any]]:
    """Yield the rows of ``csv/profile.csv``: one for each fact of each clause, and one for each gap."""
    for section in ordered.sections:
        clause = section.clause
        about = (clause.id, clause.title, section.status.value, clause.missing)
        if not section.facts:
            yield (*about, *[None] * (len(COLUMNS) - len(about)))
        for fact in section.facts:
            statement = fact.statement
            text = "; ".join(f"{label}: {value}" for label, value in statement.values)
            yield (
                *about,
                *(fact.id, statement.kind.value, statement.version, text, statement.basis, statement.document),
                *(_columns_of(statement.attested)),
            )


def _columns_of(by: AttestedBy | None) -> Sequence[Any]:
    if by is None:
        return [None] * 7
    return by.account, by.name, ", ".join(by.roles), by.action, by.at, by.entry, by.position


def _fact_document(fact: NumberedStatement) -> dict[str, Any]:
    statement = fact.statement
    return {
        "id": fact.id,
        "kind": statement.kind,
        "version": statement.version,
        "values": dict(statement.values),
        "attested": asdict(statement.attested) if statement.attested else None,
        "basis": statement.basis,
        "facts": statement.document,
    }
