"""Replay of the chain ``auth``: every token and session, and the name of every account that has a token."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from registry.domain.access import LOCAL_DEV, SYSTEM, Role, TokenPurpose
from registry.domain.replay.entry import BASELINE, ERASED, UNKNOWN, Entry, Unknown, Unreplayable

BOOTSTRAP_SECONDS = 3600


@dataclass(slots=True)
class ReplayedToken:
    """An API token, or a browser session with a ``parent``.

    ``expires_at`` is None for a bootstrap token, which lives for BOOTSTRAP_SECONDS.
    """

    owner: str
    roles: list[str]
    created_at: str
    created_by: str
    expires_at: str | None
    digest: str | Unknown
    revoked_at: str | None = None
    parent: str | None = None

    @property
    def purpose(self) -> TokenPurpose:
        """What the token is accepted for."""
        return TokenPurpose.API if self.parent is None else TokenPurpose.SESSION

    @property
    def is_bootstrap(self) -> bool:
        """Return whether the token can only make the first admin."""
        return self.roles == [Role.BOOTSTRAP.value]


@dataclass(slots=True)
class ReplayedAccount:
    """``name`` is UNKNOWN where no entry commits to it. ``created_at`` is None for the registry's own accounts."""

    name: str | Unknown
    created_at: str | None


@dataclass(slots=True)
class Access:
    tokens: dict[str, ReplayedToken] = field(default_factory=dict)
    accounts: dict[str, ReplayedAccount] = field(default_factory=dict)
    baseline: str | None = None


def erased_name(account_id: str) -> str:
    """Return the name of an account whose own name was erased."""
    return f"erased-{account_id}"


def replay(entries: Iterable[Entry]) -> Access:
    """Return the tokens and accounts that the entries lead to. Raises Unreplayable as ``model.replay`` does."""
    access = Access()
    for own in (SYSTEM, LOCAL_DEV):
        access.accounts[own.id] = ReplayedAccount(own.name, None)
    for entry in entries:
        action = ACTIONS.get(entry.action)
        if action is None:
            raise Unreplayable(f"this release cannot replay the action {entry.action!r}")
        try:
            action(access, entry)
        except (KeyError, TypeError, AttributeError) as error:
            raise Unreplayable(f"the {entry.action} lacks {error}") from error
    return access


def _created(access: Access, entry: Entry) -> None:
    after = entry.after
    owner = access.accounts.setdefault(after["owner"], ReplayedAccount(UNKNOWN, entry.at))
    name = entry.text("owner")
    if isinstance(name, str):
        if isinstance(owner.name, str) and owner.name != name:
            raise Unreplayable(f"the account {after['owner']} is called {name!r}, and was {owner.name!r}")
        owner.name = name
    used = access.tokens.get(entry.actor["cred"])
    if used is not None and used.parent is not None:
        used = access.tokens.get(used.parent)
    if used is not None and used.is_bootstrap:
        used.revoked_at = entry.at
    _add_token(
        access,
        entry,
        ReplayedToken(after["owner"], after["roles"], entry.at, entry.actor["id"], after["expires_at"], UNKNOWN),
    )


def _bootstrap(access: Access, entry: Entry) -> None:
    for token in access.tokens.values():
        if token.is_bootstrap and token.revoked_at is None:
            token.revoked_at = entry.at
    _add_token(access, entry, ReplayedToken(SYSTEM.id, [Role.BOOTSTRAP.value], entry.at, SYSTEM.id, None, UNKNOWN))


def _session_opened(access: Access, entry: Entry) -> None:
    after, actor = entry.after, entry.actor
    issuer = actor.get("issuer", actor["id"])
    _add_token(
        access,
        entry,
        ReplayedToken(
            after["owner"], after["roles"], entry.at, issuer, after["expires_at"], UNKNOWN, parent=after["parent"]
        ),
    )


def _sessions_closed(access: Access, entry: Entry) -> None:
    for session in entry.after["sessions"]:
        access.tokens[session].revoked_at = entry.at


def _add_token(access: Access, entry: Entry, token: ReplayedToken) -> None:
    if entry.subject["token"] in access.tokens:
        raise Unreplayable(f"the token {entry.subject['token']} is created a second time")
    token.digest = entry.facts.get("token", UNKNOWN)
    access.tokens[entry.subject["token"]] = token


def _revoked(access: Access, entry: Entry) -> None:
    access.tokens[entry.subject["token"]].revoked_at = entry.at


def _erased(access: Access, entry: Entry) -> None:
    account = entry.subject["account"]
    access.accounts[account].name = erased_name(account)
    for token, digest in entry.facts.get("tokens", {}).items():
        access.tokens[token].digest = digest


def _baselined(access: Access, entry: Entry) -> None:
    for account in entry.facts.get("accounts", []):
        name = entry.text(account.replace("-", ""))
        if isinstance(name, str):
            access.accounts.setdefault(account, ReplayedAccount(name, None)).name = name
    for token, digest in entry.facts.get("tokens", {}).items():
        access.tokens[token].digest = digest
    access.baseline = entry.at


def _unchanged(access: Access, entry: Entry) -> None:
    """Change nothing: a text was erased."""


ACTIONS: Mapping[str, Callable[[Access, Entry], None]] = {
    "token.created": _created,
    "token.revoked": _revoked,
    "session.opened": _session_opened,
    "session.closed": _sessions_closed,
    "bootstrap.issued": _bootstrap,
    "account.erased": _erased,
    BASELINE: _baselined,
    ERASED: _unchanged,
}
