"""Options that many commands share."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from registry.cli.support import output, pages
from registry.cli.support.exit_codes import Exit
from registry.cli.support.parsing import TIME, CurrentParam
from registry.cli.support.session import Session

RESUME = "Run the same command again to resume."

# Of every command that calls the registry; the help of registry shows them once.
COMMON = {
    "--url URL": "The registry. [env: REGISTRY_URL]",
    "--token TOKEN": "Better in a file: registry login. [env: REGISTRY_TOKEN(_FILE)]",
    "--insecure": "Send the token over plain http. [env: REGISTRY_INSECURE]",
    "--ca-file FILE": "Trust this private CA too, for registry and store. [env: REGISTRY_CA_FILE]",
    "--json": "One JSON object on stdout; errors as JSON on stderr.",
}
REGISTRY_URL = "--registry-url"  # of a command whose --url is another address
COMMON_HINT = "Also --url, --token, --insecure, --ca-file and --json: see registry --help."

Command = TypeVar("Command", bound=Callable[..., Any])


def connected(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of COMMON, and its Session as the first argument."""
    return _connected_by("--url", function)


def connected_by_registry_url(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command what :func:`connected` does, but for --registry-url: the command has its own --url."""
    return _connected_by(REGISTRY_URL, function)


def _connected_by(address: str, function: Callable[..., None]) -> Callable[..., None]:
    @click.option(address, "registry_url", metavar="URL", hidden=True, help=COMMON["--url URL"])
    @click.option("--token", metavar="TOKEN", hidden=True, help=COMMON["--token TOKEN"])
    @click.option("--insecure", is_flag=True, hidden=True, help=COMMON["--insecure"])
    @click.option("--ca-file", metavar="FILE", hidden=True, help=COMMON["--ca-file FILE"])
    @click.option("--json", "as_json", is_flag=True, hidden=True, help=COMMON["--json"])
    @functools.wraps(function)
    def command(
        *args: Any,
        registry_url: str | None,
        token: str | None,
        insecure: bool,
        ca_file: str | None,
        as_json: bool,
        **kwargs: Any,
    ) -> None:
        with Session(url=registry_url, token=token, insecure=insecure, ca_file=ca_file, as_json=as_json) as session:
            function(session, *args, **kwargs)
            pages.point_to(session, kwargs)

    return command


def reason(*, required: bool = False) -> Callable[[Command], Command]:
    """Add --reason, which the audit log keeps."""
    return click.option("--reason", required=required, metavar="TEXT", help="The reason, recorded in the audit log.")


def filters(
    *, action: str = "action, e.g. version.promoted, or version.*", actor: str = "entries"
) -> Callable[[Command], Command]:
    """Add --action, --actor, --since, --until and --limit, worded for an *action* and for the records of an *actor*."""
    options = (
        click.option("--action", metavar="ACTION", help=f"Only this {action}."),
        click.option("--actor", metavar="NAME", help=f"Only {actor} of this actor."),
        click.option("--since", type=TIME, help="From this time: RFC 3339, a date, or 2h, 7d (ago)."),
        click.option("--until", type=TIME, help="Before this time."),
        limit(100),
    )

    def decorate(function: Command) -> Command:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def log_keys(function: Command) -> Command:
    """Add --key: the trusted keys of a sealed log."""
    option = click.option(
        "--key",
        "keys",
        multiple=True,
        metavar="KEY",
        help="Trusted key of the log, name+id+base64; repeatable. [env: REGISTRY_LOG_VERIFIER_KEYS]",
    )
    return option(function)


def limit(default: int) -> Callable[[Command], Command]:
    """Add --limit: the number of rows to show."""
    return click.option(
        "--limit", type=click.IntRange(min=0), default=default, show_default=True, help="At most this many; 0: all."
    )


def fields(function: Command) -> Command:
    """--fields: what each item of a list has as JSON."""
    option = click.option(
        "--fields",
        metavar="NAMES",
        callback=_split_names,
        help="With --json: only these fields of each, e.g. name,tags. Takes less time than all.",
    )
    return option(function)


def jobs(function: Command) -> Command:
    """Add --jobs: the number of concurrent requests, over all files and their parts."""
    option = click.option(
        "--jobs", type=click.IntRange(1, 32), default=4, show_default=True, help="Files and parts to move at once."
    )
    return option(function)


def unsafe_paths(function: Command) -> Command:
    """Add --allow-unsafe-paths: for versions that an earlier release accepted."""
    option = click.option(
        "--allow-unsafe-paths",
        is_flag=True,
        help="Also paths that could harm this machine, which earlier releases took (.git, device names, …).",
    )
    return option(function)


def patterns(name: str, text: str) -> Callable[[Command], Command]:
    """Add --include or --exclude: patterns as in .gitignore."""
    return click.option(f"--{name}", multiple=True, metavar="PATTERN", help=text)


def follow_links(function: Command) -> Command:
    """Add --follow-links: symbolic links that leave the directory."""
    option = click.option(
        "--follow-links", is_flag=True, help="Follow symbolic links that leave the directory, e.g. of a model cache."
    )
    return option(function)


def wait(what: str) -> Callable[[Command], Command]:
    """Add --wait/--no-wait. The default is to wait on a terminal."""
    return click.option(
        "--wait/--no-wait", default=None, callback=_on_a_terminal, help=f"Wait until {what}. [default: on a terminal]"
    )


@contextmanager
def resumable(session: Session, advice: str = RESUME) -> Iterator[None]:
    """Ctrl-C in the block ends the command with the advice: nothing is lost."""
    try:
        yield
    except KeyboardInterrupt:
        message = output.clean(f"Interrupted. {advice}")
        document = output.encoded({"error": {"code": "interrupted", "detail": message}})
        click.echo(document if session.as_json else message, err=True)
        click.get_current_context().exit(Exit.INTERRUPTED)


def expected_current(function: Command) -> Command:
    """Add --expected-current: compare and set. Passed as a keyword argument only when given."""
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


def _split_names(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in (value or "").split(",") if name.strip())


def _on_a_terminal(ctx: click.Context, param: click.Parameter, value: bool | None) -> bool:
    return sys.stderr.isatty() if value is None else value


def _only_if_given(ctx: click.Context, param: click.Parameter, value: int | None) -> None:
    if ctx.get_parameter_source("expected_current") is click.core.ParameterSource.COMMANDLINE:
        ctx.params["expected_current"] = value
