"""Four eyes: a decision is by another person than the acts that it is about, as accounts and credentials show it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from registry.domain.access import Actor


@dataclass(frozen=True, slots=True)
class Person:
    """An account, and the other account that issued its credential, if one did."""

    account: str
    issuer: str | None = None


def person(actor: Actor) -> Person:
    """Return the person that *actor* is."""
    return Person(actor.id, actor.issuer_id if actor.is_issued_by_another else None)


def exclusion(approver: Person, acts: Iterable[tuple[Person, str]]) -> str | None:
    """Return why the person may not decide about the *acts* of others, each with what was done; None if they may."""
    for other, did in acts:
        if approver.account == other.account:
            return f"the same account {did}"
        if approver.account == other.issuer:
            return f"the account issued the credential that {did}"
        if approver.issuer == other.account:
            return f"the credential was issued by the account that {did}"
    return None
