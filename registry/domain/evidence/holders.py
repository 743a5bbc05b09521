"""Who held which role: the entries about accounts and tokens that concern a history, and what they lead to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from registry.domain import clock
from registry.domain.access import LOCAL_DEV, SYSTEM, ActorKind
from registry.domain.evidence.history import Attestation, attestation
from registry.domain.replay import access as access_log
from registry.domain.replay.access import BOOTSTRAP_SECONDS, Access, ReplayedToken
from registry.domain.replay.entry import Entry

BOOTSTRAP = "bootstrap.issued"
CREATED, REVOKED, ERASED_ACCOUNT = "token.created", "token.revoked", "account.erased"
OPENED, CLOSED = "session.opened", "session.closed"
_OWN = {own.id: own.kind.value for own in (SYSTEM, LOCAL_DEV)}
Read = Callable[[], Iterable[tuple[int, Entry]]]
"""Begin to read the chain of accounts and tokens, with positions."""


@dataclass(slots=True)
class Concerned:
    """The tokens and accounts that a history concerns.

    These are the accounts that acted on the models, with all of their API tokens and the sessions that were used; and
    of each token the one with which it was created or revoked, in its turn.
    """

    acting: frozenset[str]
    tokens: set[str]
    accounts: set[str] = field(default_factory=set)
    bootstraps: set[str] = field(default_factory=set)

    @property
    def size(self) -> int:
        """The number of tokens and accounts."""
        return len(self.tokens) + len(self.accounts) + len(self.bootstraps)

    def includes(self, entry: Entry) -> bool:
        """Return whether an entry of the chain concerns them."""
        token, actor = entry.subject.get("token"), entry.actor
        if entry.action == CREATED:
            return token in self.tokens or entry.after["owner"] in self.acting or actor["cred"] in self.bootstraps
        if entry.action == OPENED:
            return token in self.tokens or entry.after["parent"] in self.bootstraps
        if entry.action == CLOSED:
            return not self.tokens.isdisjoint(entry.after["sessions"])
        if entry.action == REVOKED:
            return token in self.tokens
        if entry.action == BOOTSTRAP:  # each of them revokes those before
            return bool(self.bootstraps) or token in self.tokens
        return entry.action == ERASED_ACCOUNT and entry.subject["account"] in self.accounts

    def take(self, entry: Entry) -> None:
        """Add what an included entry refers to."""
        if token := entry.subject.get("token"):
            self.tokens.add(token)
        if entry.action == BOOTSTRAP:
            self.bootstraps.add(entry.subject["token"])
        if entry.action == OPENED and entry.after["parent"] in self.bootstraps:
            self.bootstraps.add(entry.subject["token"])
        if entry.action == CLOSED:
            self.tokens.update(entry.after["sessions"])
        if owner := entry.after.get("owner"):
            self.accounts.add(owner)
        self.accounts |= {entry.actor[name] for name in ("id", "issuer") if name in entry.actor}
        if credential := entry.actor["cred"]:
            self.tokens.add(credential)


def concerned(accounts: Iterable[str], tokens: Iterable[str], read: Read) -> Concerned:
    """Return what a history concerns whose actors are *accounts* with *tokens*.

    Reads the chain as often as there are links from a token to the one that created it.
    """
    found = Concerned(frozenset(accounts) - _OWN.keys(), set(tokens), set(accounts))
    grows = True
    while grows:
        size = found.size
        for _, entry in read():
            if found.includes(entry):
                found.take(entry)
        grows = found.size > size
    return found


@dataclass(slots=True)
class Holders:
    """Accounts and tokens as the entries have them, and the entries that granted and revoked tokens."""

    access: Access
    concerned: Concerned
    granted: dict[str, Attestation]
    revoked: dict[str, Attestation]

    def roles_of(self, token: str) -> tuple[str, ...] | None:
        """Return the roles of a token; None where no entry created it."""
        replayed = self.access.tokens.get(token)
        return None if replayed is None else tuple(replayed.roles)


def read_holders(accounts: Iterable[str], tokens: Iterable[str], read: Read) -> Holders:
    """Return who held which role among those that a history concerns. Raises Unreplayable."""
    found = concerned(accounts, tokens, read)
    granted: dict[str, Attestation] = {}
    revoked: dict[str, Attestation] = {}

    def passing() -> Iterator[Entry]:
        for position, entry in read():
            if not found.includes(entry):
                continue
            if entry.action in {CREATED, OPENED, BOOTSTRAP}:
                granted[entry.subject["token"]] = attestation(position, entry)
            elif entry.action == CLOSED:
                revoked.update(dict.fromkeys(entry.after["sessions"], attestation(position, entry)))
            elif entry.action == REVOKED:
                revoked[entry.subject["token"]] = attestation(position, entry)
            yield entry

    return Holders(access_log.replay(passing()), found, granted, revoked)


def end_of(token: ReplayedToken, access: Access) -> str:
    """Return when a token ceased to be valid: at its expiry or revocation, or at that of a session's parent."""
    parent = access.tokens.get(token.parent or "")
    own = _own_end(token)
    return own if parent is None else min(own, _own_end(parent))


def _own_end(token: ReplayedToken) -> str:
    expiry = token.expires_at or clock.wire(
        datetime.fromisoformat(token.created_at) + timedelta(seconds=BOOTSTRAP_SECONDS)
    )
    return min(expiry, token.revoked_at or expiry)


def kind_of_account(account: str, kinds: Mapping[str, str]) -> str:
    """Return the kind of an account that acted with these *kinds*, or that no entry has as an actor."""
    return _OWN.get(account) or kinds.get(account, ActorKind.USER.value)
