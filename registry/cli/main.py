"""The ``registry`` command: its subcommands by name, each loaded when it is used, and the exit code."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from typing import cast

import click

from registry.cli.support import failures
from registry.cli.support.exit_codes import MEANINGS, Exit
from registry.cli.support.options import COMMON, COMMON_HINT, REGISTRY_URL

SECTIONS: Mapping[str, Mapping[str, str]] = {
    "Versions": {
        "register": "commands.register:register",
        "pull": "commands.files:pull",
        "verify": "commands.files:verify",
        "show": "commands.show:show",
        "compare": "commands.compare:compare",
        "diff": "commands.diff:diff",
        "reproduce": "commands.reproduce:reproduce",
        "history": "commands.show:history",
        "open": "commands.open:open_",
    },
    "Overview": {
        "inventory": "commands.overview:inventory",
        "attention": "commands.overview:attention",
    },
    "Stages": {
        "promote": "commands.stages:promote",
        "acknowledge": "commands.stages:acknowledge",
        "rollback": "commands.stages:rollback",
        "demote": "commands.stages:demote",
        "archive": "commands.stages:archive",
        "hold": "commands.hold:hold",
        "gates": "commands.gates:gates",
        "gate": "commands.gate:gate",
        "check": "commands.checks:check",
        "checks": "commands.checks:checks",
        "request": "commands.request:request",
    },
    "Catalogue": {
        "search": "commands.search:search",
        "impact": "commands.impact:impact",
        "lineage": "commands.lineage:lineage",
        "model": "commands.model:model",
        "version": "commands.version:version",
        "alias": "commands.alias:alias",
        "tag": "commands.tag:tag",
        "note": "commands.note:note",
        "audit": "commands.audit:audit",
        "evidence": "commands.evidence:evidence",
        "import": "commands.import_:import_",
        "export": "commands.export:export",
    },
    "Identity": {
        "login": "commands.login:login",
        "logout": "commands.login:logout",
        "whoami": "commands.login:whoami",
        "token": "commands.token:token",
    },
    "Server": {
        "serve": "commands.serve:serve",
        "worker": "commands.serve:worker",
        "db": "commands.db:db",
        "admin": "commands.admin:admin",
        "doctor": "commands.doctor:doctor",
    },
}
# What people type who come from other tools, with what does it here.
ELSEWHERE: Mapping[str, str] = {
    "ls": "registry model list, registry version list NAME or registry version files NAME:NUMBER",
    "list": "registry model list, registry version list NAME or registry alias list NAME",
    "download": "registry pull NAME:NUMBER -o DIRECTORY, or registry version tar for one file",
    "get": "registry show NAME:NUMBER, or registry pull NAME:NUMBER -o DIRECTORY",
    "describe": "registry show NAME:NUMBER",
    "status": "registry whoami or registry doctor --url URL",
    "rm": "registry version delete NAME:NUMBER or registry model delete NAME",
    "upload": "registry register NAME PATH",
    "delete": "registry version delete NAME:NUMBER or registry model delete NAME",
    "log": "registry history NAME",
}
COMMANDS: Mapping[str, str] = {name: where for section in SECTIONS.values() for name, where in section.items()}


class Registry(click.Group):
    """Finds commands in COMMANDS, and lists them by section."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        command = cast(click.Command, getattr(importlib.import_module(f"registry.cli.{module}"), attribute))
        _complete_help(command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Resolve the command as click does; refuse an unknown one with the nearest names, or with its name here."""
        name = args[0]
        if name in COMMANDS or name.startswith("-") or ctx.resilient_parsing:
            return super().resolve_command(ctx, args)
        near = " or ".join(map(repr, difflib.get_close_matches(name, COMMANDS)))
        advice = f" Use {ELSEWHERE[name]}." if name in ELSEWHERE else f" Did you mean {near}?" if near else ""
        raise click.UsageError(f"No such command {name!r}.{advice}", ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, names in SECTIONS.items():
            commands = [(name, self.get_command(ctx, name)) for name in names]
            rows = [(name, command.get_short_help_str()) for name, command in commands if command]
            with formatter.section(title):
                formatter.write_dl(rows)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Options of every command that calls the registry, after its name"):
            formatter.write_dl(list(COMMON.items()))
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code.value), meaning) for code, meaning in MEANINGS.items()])
        with formatter.section("Configuration"):
            formatter.write_text(
                "The registry's address: --url, REGISTRY_URL, the user's config.toml (registry login writes it),"
                ' .registry.toml here or above (url = "…", never a token), http://127.0.0.1:5000.'
            )
            formatter.write_text(
                "The token: --token, REGISTRY_TOKEN or REGISTRY_TOKEN_FILE, the one saved for that address."
            )
            formatter.write_text(
                "A private CA: --ca-file, REGISTRY_CA_FILE, the user's config.toml; also REQUESTS_CA_BUNDLE and"
                " SSL_CERT_FILE."
            )
            formatter.write_text(
                "REGISTRY_RETRY_SECONDS: how long a command waits for a registry that is restarted, by default 60 in CI"
                " and 10 elsewhere; 0: no waiting."
            )
        with formatter.section("Shell completion"):
            formatter.write_text(
                'In ~/.bashrc: eval "$(_REGISTRY_COMPLETE=bash_source registry)". For zsh and fish: zsh_source and'
                " fish_source."
            )


@click.command(cls=Registry, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="model-registry", prog_name="registry")
@click.option("--debug", is_flag=True, expose_value=False, help="Show where a command failed, without any values.")
def cli() -> None:
    """A registry of models: immutable versions, enforced stages, rollback in one call, a history of everything.

    \b
    A version is named
      fraud:7              by its number
      fraud@champion       by an alias
      fraud#production     by the stage that it holds
      models:/fraud/7      as MLflow does (also models:/fraud@champion, models:/fraud/Production)

    \b
    Example:
      registry register fraud ./model --data train.csv --metric auc=0.93
      registry promote fraud:1 --to staging --reason "smoke tests passed"
      registry rollback fraud --reason "latency regression"
    """


def _complete_help(command: click.Command) -> None:
    """List a command by its whole first sentence, and end its help with where the common options are described.

    Click cuts the sentence at the width of the terminal unless the command has a ``short_help``.
    """
    if isinstance(command, click.Group):
        for one in command.commands.values():
            _complete_help(one)
    command.short_help = command.get_short_help_str(limit=400)
    if any(param.name == "as_json" and getattr(param, "hidden", False) for param in command.params):
        names_registry = any(REGISTRY_URL in param.opts for param in command.params)
        command.epilog = COMMON_HINT.replace("--url", REGISTRY_URL) if names_registry else COMMON_HINT


def main() -> None:
    """Run the console script."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    as_json, debug = "--json" in arguments, "--debug" in arguments
    try:
        code = cli.main(args=list(arguments), prog_name="registry", standalone_mode=False)
        sys.stdout.flush()
    except (KeyboardInterrupt, click.Abort):
        return failures.interrupted(as_json=as_json)
    except BrokenPipeError:
        _discard_output()
        return Exit.ERROR
    except Exception as error:
        return failures.report(error, as_json=as_json, debug=debug)
    return code if isinstance(code, int) else Exit.OK


def _discard_output() -> None:
    """Discard further output after the reader has closed the pipe, so that Python reports no error at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
