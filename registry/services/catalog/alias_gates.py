"""Aliases that a policy protects: they move under its rules of production."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from registry.db.batch import Query
from registry.db.models import Model, Version
from registry.db.queries import governance
from registry.db.session import joined
from registry.db.write_session import writing
from registry.domain.errors import Conflict
from registry.domain.stages import Stage
from registry.rules import names
from registry.services.gates import assignments, documents, verdicts
from registry.services.gates.verdicts import PolicyEvaluation


@dataclass(frozen=True, slots=True)
class AliasRules:
    """The protection of the aliases of a locked model, apart from those that the model itself protects.

    ``protected`` are those of the settings and of the policy, ``guarded`` those of the policy alone; ``current`` is the
    executed query of the policy.
    """

    protected: Collection[str]
    guarded: Collection[str]
    current: Query

    def guard(self, alias: str) -> bool:
        """Return whether the alias moves under the rules of production."""
        return names.lists_alias(alias, self.guarded)


def ask(session: Session, model: str) -> list[Query]:
    """Return the queries for :func:`rules`, to be executed with the lock of the model of that name."""
    return [*governance.share_rules(session), assignments.ask_for_current(model)]


def rules(session: Session, asked: Sequence[Query], protected: Collection[str]) -> AliasRules:
    """Return the rules by the executed queries; *protected* are the aliases that the settings protect."""
    current = asked[-1]
    guarded = documents.stored(session, current.rows[0].digest).protected_aliases if current.rows else ()
    return AliasRules([*protected, *guarded], guarded, current)


def rules_of(session: Session, model: Model, protected: Collection[str]) -> AliasRules:
    """Return the rules of a model that is locked already, with one statement (two on PostgreSQL)."""
    asked = [*governance.share_rules(session), assignments.ask_for_current_of(model.id)]
    writing(session).ask(*asked)
    return rules(session, asked, protected)


def is_guarded(alias: str, digest: str | None) -> bool:
    """Return whether the policy with that digest protects the alias.

    Reads its document where this process has not used it lately. Of a document that was changed, nothing is known: no
    alias moves under it, so that all are protected.
    """
    if digest is None:
        return False
    if (known := documents.used_lately(digest)) is not None:
        return known.protects(alias)
    try:
        with joined() as session:
            return documents.stored(session, digest).protects(alias)
    except Conflict:
        return True


def decide(session: Session, model: Model, alias: str, version: Version, rules: AliasRules) -> PolicyEvaluation | None:
    """Return the evaluation of a move of the alias to the version; None where no policy guards it.

    A version in production met the rules when it entered. Raises GatesUnmet with every verdict.
    """
    if not rules.guard(alias) or version.stage == Stage.PRODUCTION:
        return None
    return verdicts.decide(session, model, version, Stage.PRODUCTION, rules.current, target=f"@{alias}")
