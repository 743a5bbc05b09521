"""``registry login``, ``logout`` and ``whoami``: the token on this machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from registry.cli.support import config, credentials, output
from registry.cli.support import session as sessions
from registry.cli.support.options import connected
from registry.cli.support.session import Session

if TYPE_CHECKING:
    from registry.client.types import MeView, UsedToken


@click.command()
@click.option("--url", metavar="URL", help="The registry; it becomes the default of this user.")
@click.option("--token-stdin", is_flag=True, help="Read the token from stdin, without asking.")
@click.option("--insecure", is_flag=True, help="Send the token over plain http.")
@click.option("--ca-file", metavar="FILE", help="Trust this private CA too; becomes this user's default.")
def login(url: str | None, token_stdin: bool, insecure: bool, ca_file: str | None) -> None:
    """Check a token with a registry, and save it. Only this user can read the file; only that registry gets the token.

    \b
    Example:
      registry login --url https://registry.example
      registry login --url https://registry.example --token-stdin < token.txt
    """
    from registry.client.http.target import RegistryTarget

    home = config.own_directory()
    address = _address(url, home)
    token = _prompt_token(address, from_stdin=token_stdin)
    trusted = str(config.working_directory() / ca_file) if ca_file else config.ca_file(os.environ, home)
    with sessions.client(RegistryTarget(address, "login", token, insecure, ca_file=trusted)) as registry:
        me = registry.me()
    try:
        path = credentials.save(home, address_origin(address), token)
        config.remember(home, "url", address)
        if ca_file and trusted:
            config.remember(home, "ca_file", trusted)
    except OSError as error:
        raise click.ClickException(
            f"The token works, but cannot be kept in {home} ({error.strerror}). Let HOME or XDG_CONFIG_HOME name a"
            " directory that can be written; or set REGISTRY_URL and REGISTRY_TOKEN."
        ) from error
    output.line(f"Logged in to {address} as {me['name']} ({', '.join(me['roles']) or 'no roles'}); saved in {path}")


@click.command()
@click.option("--url", metavar="URL", help="The registry; default: this user's.")
def logout(url: str | None) -> None:
    """Remove the saved token of a registry from this machine. (Elsewhere it works on: registry token revoke.)

    \b
    Example:
      registry logout
    """
    home = config.own_directory()
    address = _address(url, home)
    gone = credentials.forget(home, address_origin(address))
    output.line(f"Logged out of {address}" if gone else f"No token was saved for {address}")


@click.command()
@connected
def whoami(session: Session) -> None:
    """Show the account, roles and permissions of your token.

    \b
    Example:
      registry whoami
    """
    me = session.registry.me()
    session.show(me, lambda: _show_identity(me, session.registry.url))


def address_origin(address: str) -> str:
    """Return the origin that a token is bound to."""
    from registry.client.http import urls

    return urls.origin(address)


def _address(url: str | None, home: Path) -> str:
    """Return the registry to log in to; a project file does not choose where a person types a token."""
    from registry.client.http import urls
    from registry.client.http.target import PROJECT_FILE

    address, source = config.locate(url=url, environ=os.environ, cwd=config.working_directory(), home=home)
    if source.endswith(PROJECT_FILE):
        raise click.UsageError(f"{source} names {address}. To log in there, give it: --url {address}")
    try:
        return urls.normalised(address)
    except ValueError as error:
        raise click.UsageError(f"The registry's URL (from {source}): {error}.") from error


def _prompt_token(address: str, *, from_stdin: bool) -> str:
    if from_stdin or not sys.stdin.isatty():
        token = sys.stdin.read().strip()
    else:
        token = click.prompt(f"Token for {address}", hide_input=True, err=True).strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise click.UsageError(
            "That is no token. A token begins with mrp_ or, on the first start, mrb_, and has no spaces."
        )
    return str(token)


def _show_identity(me: MeView, url: str) -> None:
    output.line(f"{me['name']} ({me['kind']}) at {url}" + (", which runs with --dev" if me["mode"] == "dev" else ""))
    token = me["token"]
    output.pairs(
        [
            ("roles", ", ".join(me["roles"])),
            ("permissions", ", ".join(me["permissions"])),
            ("token", _used(token) if token else ""),
            ("issued by", token.get("issued_by") if token else ""),
        ]
    )
    used_is_foreign = token is not None and token.get("issued_by", me["name"]) != me["name"]
    if (others := me.get("foreign_tokens", 0) - used_is_foreign) > 0:  # an older registry omits it
        more = "more " if used_is_foreign else ""
        act = f"{others} {more}valid token{' acts' if others == 1 else 's act'} as you"
        output.note(f"{act}, created by another account. Look: registry token list --mine")


def _used(token: UsedToken) -> str:
    named = " ".join(part for part in (token["id"], token["name"]) if part)
    return f"{named}, until {output.when(token['expires_at'])}"
