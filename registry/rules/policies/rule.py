"""Rules of a policy, and the terms that a document defines for them: groups of accounts, and checks."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from registry.rules import names
from registry.rules.policies.facts import GateFacts, Need
from registry.rules.policies.reading import DocumentKeys, text
from registry.rules.policies.verdicts import RuleFinding

STAGES = ("staging", "production")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")
_FORMS = ("role", "group")


def word_problem(name: str) -> str | None:
    """Return why *name* cannot name a check or a group."""
    return None if _WORD.match(name) else "must have 1 to 100 of the characters A-Z a-z 0-9 . _ -"


@dataclass(frozen=True, slots=True)
class Party:
    """An account, or those with a role or in a group: ``form`` is account, role or group."""

    form: str
    name: str

    @classmethod
    def read(cls, value: Any) -> Party:
        """Read an account's name, ``role:NAME`` or ``group:NAME``. Raises ValueError."""
        form, colon, name = text(value).partition(":")
        if not colon:
            form, name = "account", form
        elif form not in _FORMS:
            raise ValueError(f"must be an account, role:NAME or group:NAME, not {value!r}")
        wrong = names.account_name_problem(name) if form == "account" else word_problem(name)
        if wrong:
            raise ValueError(f"the name of the {form} {wrong}, not {name!r}")
        return cls(form, name)

    def __str__(self) -> str:
        return self.name if self.form == "account" else f"{self.form}:{self.name}"


@dataclass(frozen=True, slots=True)
class Terms:
    """Groups with their accounts, and checks with those who may report them."""

    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    checks: Mapping[str, tuple[Party, ...]] = field(default_factory=dict)

    def resolved(self, parties: Iterable[Party]) -> frozenset[Party]:
        """Return the parties with the accounts of each group in its place."""
        return frozenset(
            one
            for party in parties
            for one in (
                (Party("account", name) for name in self.groups.get(party.name, ()))
                if party.form == "group"
                else (party,)
            )
        )

    def include(self, parties: Iterable[Party], account: str, roles: Iterable[str]) -> bool:
        """Return whether an account with these roles is one of the parties."""
        own = {Party("account", account), *(Party("role", role) for role in roles)}
        return not own.isdisjoint(self.resolved(parties))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule(ABC):
    """An item of a policy's document. ``stages`` are those that may have it."""

    kind: ClassVar[str]
    stages: ClassVar[tuple[str, ...]] = STAGES
    explanation: str | None = None

    @classmethod
    @abstractmethod
    def read(cls, keys: DocumentKeys, explanation: str | None) -> Rule:
        """Take the keys of a document and return the rule; its fields are right if no problem was reported."""

    @property
    @abstractmethod
    def needs(self) -> frozenset[Need]:
        """The parts of the facts that the rule reads."""

    @abstractmethod
    def describe(self) -> str:
        """Return the rule as a short text, such as ``auc >= 0.9 on holdout``."""

    @abstractmethod
    def judge(self, facts: GateFacts, terms: Terms) -> RuleFinding:
        """Return the finding on facts that have all parts that the rule needs. Raises nothing."""

    @abstractmethod
    def implies(self, old: Rule, terms: Terms, old_terms: Terms) -> bool:
        """Return whether each version that passes this rule, under its terms, passes *old* under those of its policy.

        False where it is not known.
        """
