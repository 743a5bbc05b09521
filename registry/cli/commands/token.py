"""``registry token``: API tokens for people and jobs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from registry.cli.support import output
from registry.cli.support.cells import Moment, Whole
from registry.cli.support.options import connected, limit, reason
from registry.cli.support.output import when
from registry.cli.support.session import Session
from registry.domain import clock, token_life
from registry.domain.access import GRANTABLE, Role

if TYPE_CHECKING:
    from registry.client.types import TokenView

COLUMNS = (("id", "name"), ("owner", "issued by"), "roles", "expires", "last used", "revoked")
SESSIONS = ("id", ("token", "name"), "roles", "opened", "last used", "ends")
ROLES = click.Choice([role.value for role in Role if role in GRANTABLE])


@click.group()
def token() -> None:
    """Create, list and revoke API tokens, and close browser sessions."""


@token.command()
@click.argument("owner")
@click.option("--role", "roles", multiple=True, required=True, type=ROLES, help="A role of the token; repeatable.")
@click.option("--name", metavar="TEXT", help="The purpose of the token.")
@click.option("--expires-in-days", type=click.IntRange(1, 365), help="Default: 90.")
@connected
def create(session: Session, owner: str, roles: tuple[str, ...], name: str | None, expires_in_days: int | None) -> None:
    """Create a token for OWNER. It is printed once, alone on stdout, and cannot be shown again.

    \b
    Example:
      registry token create ci-fraud --role writer --name "GitHub Actions" > token.txt
    """
    is_bootstrap = "bootstrap" in session.registry.me()["roles"]
    made = session.registry.tokens.create(owner, roles=roles, name=name, expires_in_days=expires_in_days)
    secret = made["token"]
    if secret is None:  # the first answer was lost on the way and this is its repetition
        raise click.ClickException(f"The token {made['id']} was made, but its secret was lost. Revoke it, try again.")

    def say() -> None:
        output.note(f"{made['id']} for {owner} ({', '.join(made['roles'])}) until {when(made['expires_at'])}")
        output.line(secret)
        if is_bootstrap:
            what = "saved login" if session.target.saved else "token that you used"
            output.note(f"The {what} was the bootstrap token, which this used up. Go on with: registry login")

    session.show(made, say)


@token.command("list")
@click.option("--mine", is_flag=True, help="Tokens of your account, from any issuer; requires no role.")
@click.option(
    "--expiring", is_flag=True, help="Valid tokens in their last 14 days, or in the last fifth of a short life."
)
@limit(0)
@connected
def list_(session: Session, mine: bool, expiring: bool, limit: int) -> None:
    """List tokens with their issuers and roles, without their secrets. Without --mine: for admins and auditors.

    \b
    Example:
      registry token list --mine
      registry token list --expiring
    """
    tokens: Iterable[TokenView] = session.registry.tokens.list(mine=mine)
    if expiring:
        now = clock.now()
        tokens = (token for token in tokens if not token["revoked_at"] and _is_ending(token, now))
    empty = "no token is near its end" if expiring else "no token acts as you" if mine else "no tokens"
    session.list(tokens, COLUMNS, _token_row, empty=empty, limit=limit)


@token.command("sessions")
@click.option("--close", is_flag=True, help="Close all of them.")
@limit(0)
@connected
def browser_sessions(session: Session, close: bool, limit: int) -> None:
    """List the open browser sessions of your account.

    \b
    Example:
      registry token sessions
      registry token sessions --close
    """
    tokens = session.registry.tokens
    if close:
        closed = tokens.close_sessions()
        session.show({"closed": closed}, lambda: output.line(f"{closed} closed"))
        return
    session.list(tokens.sessions(), SESSIONS, _session_row, empty="no session is open", limit=limit)


@token.command()
@click.argument("token_id", metavar="ID")
@click.option("--mine", is_flag=True, help="A token of your account, from any issuer; requires no role.")
@reason()
@connected
def revoke(session: Session, token_id: str, mine: bool, reason: str | None) -> None:
    """Revoke a token, and close the browser sessions opened with it. ID can also be that of a session.

    \b
    Example:
      registry token revoke 7Qw2eR9tYu1i --reason "seen in a log"
      registry token revoke 7Qw2eR9tYu1i --mine
    """
    gone = session.registry.tokens.revoke(token_id, mine=mine, reason=reason)
    session.show(gone, lambda: output.line(f"{token_id} revoked"))


def _is_ending(token: TokenView, now: datetime) -> bool:
    created, expires = (datetime.fromisoformat(text) for text in (token["created_at"], token["expires_at"]))
    return token_life.is_ending(created, expires, now=now)


def _session_row(opened: Any) -> list[object]:
    times = [value and Moment(value) for value in (opened["created_at"], opened["last_used_on"], opened["expires_at"])]
    return [Whole(opened["id"]), Whole(opened["token"]), opened["token_name"], opened["roles"], *times]


def _token_row(token: Any) -> list[object]:
    times = [value and Moment(value) for value in (token["expires_at"], token["last_used_on"], token["revoked_at"])]
    return [Whole(token["id"]), token["name"], token["owner"], token["created_by"], token["roles"], *times]
