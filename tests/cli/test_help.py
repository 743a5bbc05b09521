from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from registry.cli.main import COMMANDS, cli
from registry.cli.support.exit_codes import MEANINGS
from registry.domain.stages import Stage
from registry.domain.states import VersionState
from tests.cli.conftest import CommandLine
from tests.support.processes import SCRIPTS, environment


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, by what one types."""
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield " ".join((*path, name)), command


EVERY = dict(commands(cli))


@pytest.mark.parametrize("name", EVERY)
def test_every_command_says_what_it_does_with_an_example(name: str) -> None:
    text = EVERY[name].help or ""

    assert text.splitlines()[0].rstrip().endswith((".", ".)"))
    assert f"registry {name}" in text.partition("Example:")[2]


@pytest.mark.parametrize("name", EVERY)
def test_every_option_says_what_it_is_for(name: str) -> None:
    options = [param for param in EVERY[name].params if isinstance(param, click.Option)]

    assert [option.name for option in options if not option.help] == []


def test_no_command_declares_an_option_or_its_variable_twice() -> None:
    declared = {
        name: [
            option
            for param in command.params
            for option in (
                *param.opts,
                *param.secondary_opts,
                *([] if isinstance(param, click.Argument) else [param.name]),
            )
        ]
        for name, command in EVERY.items()
    }

    assert [name for name, options in declared.items() if len(options) != len(set(options))] == []


# What they print is a file, or nothing that a program needs.
PLAIN = {"login", "logout", "audit checkpoint", "audit log-key", "audit new-epoch", "version archive"}


@pytest.mark.parametrize("name", [name for name in EVERY if name.split()[0] not in {"serve", "worker", "db", "admin"}])
def test_every_command_that_calls_the_registry_answers_programs_too(name: str) -> None:
    options = {option for param in EVERY[name].params for option in param.opts}

    assert "--json" in options or name in PLAIN


def test_the_first_help_lists_every_command_and_exit_code() -> None:
    text = cli.get_help(click.Context(cli, info_name="registry"))

    assert [name for name in COMMANDS if f"\n  {name} " not in text] == []
    assert "..." not in text.partition("Versions:")[2]  # click ends with it where it cuts a sentence
    assert [meaning for meaning in MEANINGS.values() if meaning not in " ".join(text.split())] == []


@pytest.mark.parametrize("arguments", [["--help"], ["serve", "--help"], ["register", "--help"], ["audit", "--help"]])
def test_help_loads_neither_the_server_nor_an_http_client(arguments: list[str]) -> None:
    heavy = ["flask", "sqlalchemy", "boto3", "alembic", "marshmallow", "environs", "requests", "rich"]
    program = (
        "import sys; from registry.cli.main import run; code = run(sys.argv[1:]);"
        f"print(code, [name for name in {heavy!r} if name in sys.modules])"
    )

    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True, env=environment()
    )

    assert done.stdout.splitlines()[-1] == "0 []"


def test_the_options_of_every_command_are_described_once() -> None:
    connected = {name: command for name, command in EVERY.items() if any(p.name == "as_json" for p in command.params)}
    context = click.Context(cli, info_name="registry")
    everywhere = "\n".join(cli.get_command(context, name).get_help(context) for name in ("show", "pull", "whoami"))

    assert len(connected) > 30
    assert cli.get_help(context).count("--token TOKEN") == 1
    assert "--token TOKEN" not in everywhere
    assert everywhere.count("see registry --help") == 3


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["regster"], "'register'"),
        (["ls"], "registry model list"),
        (["list"], "registry version list NAME"),
        (["delete", "fraud:1"], "registry version delete NAME:NUMBER"),
        (["download", "fraud:1"], "registry pull"),
        (["version", "archive", "fraud:1", "--reason", "old"], "registry archive NAME:NUMBER"),
        (["version", "archive", "fraud:1", "-o", "x.tar"], "registry version tar NAME:NUMBER"),
        (["version", "list", "fraud", "--state", "redy"], "'unverified'"),
        (["serve", "--bind", "127.0.0.1:1", "--port", "2"], "not both"),
    ],
)
def test_what_is_called_otherwise_here_leads_somewhere(run_cli: CommandLine, arguments: list[str], says: str) -> None:
    done = run_cli(*arguments)

    assert done.code == 2
    assert says in done.err


def test_choices_are_all_that_there_are() -> None:
    choices = {param.name: param.type for param in EVERY["version list"].params}

    assert list(choices["state"].choices) == list(VersionState)  # type: ignore[attr-defined]
    assert list(choices["stage"].choices) == list(Stage)  # type: ignore[attr-defined]


def test_a_shell_completes_commands() -> None:
    env = environment(_REGISTRY_COMPLETE="bash_complete", COMP_WORDS="registry version pu", COMP_CWORD="2")

    done = subprocess.run([SCRIPTS / "registry"], capture_output=True, text=True, check=True, env=env)

    assert done.stdout.split() == ["plain,purge"]
