"""Options that many commands share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import click

from registry.cli.params import TIME, CurrentParam
from registry.cli.session import Session

Command = TypeVar("Command", bound=Callable[..., Any])


def connected(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command --url, --token, --insecure and --json, and its Session as the first argument."""

    @click.option("--url", metavar="URL", help="The registry. [env: REGISTRY_URL]")
    @click.option("--token", metavar="TOKEN", help="Better in a file: registry login. [env: REGISTRY_TOKEN(_FILE)]")
    @click.option("--insecure", is_flag=True, help="Send the token over plain http. [env: REGISTRY_INSECURE]")
    @click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout; errors as JSON on stderr.")
    @functools.wraps(function)
    def command(*args: Any, url: str | None, token: str | None, insecure: bool, as_json: bool, **kwargs: Any) -> None:
        with Session(url=url, token=token, insecure=insecure, as_json=as_json) as session:
            function(session, *args, **kwargs)

    return command


def reason(*, required: bool = False) -> Callable[[Command], Command]:
    """--reason, which the audit log keeps."""
    return click.option("--reason", required=required, metavar="TEXT", help="Why; the audit log keeps it.")


def filters(function: Command) -> Command:
    """--action, --actor, --since, --until and --limit of a history."""
    for option in reversed(
        (
            click.option("--action", metavar="ACTION", help="Only this, e.g. version.promoted."),
            click.option("--actor", metavar="NAME", help="Only what this actor did."),
            click.option("--since", type=TIME, help="From this time: RFC 3339, a date, or 2h, 7d (ago)."),
            click.option("--until", type=TIME, help="Before this time."),
            limit(100),
        )
    ):
        function = option(function)
    return function


def limit(default: int) -> Callable[[Command], Command]:
    """--limit: how many to show."""
    return click.option(
        "--limit", type=click.IntRange(min=0), default=default, show_default=True, help="At most this many; 0: all."
    )


def jobs(function: Command) -> Command:
    """--jobs: how many files at once."""
    option = click.option(
        "--jobs", type=click.IntRange(1, 32), default=4, show_default=True, help="Files to move at once."
    )
    return option(function)


def expected_current(function: Command) -> Command:
    """--expected-current: compare and set. Arrives as a keyword argument only when given."""
    option = click.option(
        "--expected-current",
        type=CurrentParam(),
        default=None,
        callback=_only_if_given,
        expose_value=False,
        metavar="NUMBER|none",
        help="Refuse (exit 5) unless this is the holder now.",
    )
    return option(function)


def _only_if_given(ctx: click.Context, param: click.Parameter, value: int | None) -> None:
    if ctx.get_parameter_source("expected_current") is click.core.ParameterSource.COMMANDLINE:
        ctx.params["expected_current"] = value
