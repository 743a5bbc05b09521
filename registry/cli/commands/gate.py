"""``registry gate``: the policies that guard staging and production, and what their rules say of versions."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

import click

from registry.cli.support import output
from registry.cli.support.exit_codes import Exit

if TYPE_CHECKING:
    from registry.rules.policies import Policy, Problem


@click.group()
def gate() -> None:
    """Show, set and test the policies that guard staging and production."""


@gate.command()
@click.argument("file", type=click.File("rb"), metavar="FILE")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def lint(file: IO[bytes], as_json: bool) -> None:
    """Check the document of a policy, without a server. FILE is YAML or JSON; - reads stdin.

    Lists every mistake with its line and its place, such as production[2].at_least, and exits with 2. A valid document
    is shown as its rules and its digest.

    \b
    Example:
      registry gate lint policy.yaml
    """
    from registry.rules.policies import MAX_BYTES, InvalidPolicy

    try:
        policy = _parsed(file.read(MAX_BYTES + 1))
    except InvalidPolicy as error:
        if as_json:
            output.document({"valid": False, "problems": [one._asdict() for one in error.problems]})
        else:
            for problem in error.problems:
                output.line(_problem_line(file.name, problem))
        click.get_current_context().exit(Exit.USAGE)
    if as_json:
        output.document({"valid": True, "digest": policy.digest, "document": policy.document, "rules": _rules(policy)})
        return
    output.line(f"{file.name} is valid: {policy.digest}")
    for rule in _rules(policy):
        output.line(f"  {rule['stage']}[{rule['rule']}]  {rule['description']}")


def _parsed(content: bytes) -> Policy:
    """Return the policy of a file. Raises InvalidPolicy."""
    from registry.domain.access import GRANTABLE
    from registry.rules.policies import InvalidPolicy, Problem, parse

    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidPolicy([Problem("", "must be UTF-8")]) from error
    return parse(text, roles=[role.value for role in GRANTABLE])


def _problem_line(name: str, problem: Problem) -> str:
    """Return a mistake as compilers print it: file, line, place, text."""
    line = f":{problem.line}" if problem.line else ""
    return f"{name}{line}: {f'{problem.path}: ' if problem.path else ''}{problem.message}"


def _rules(policy: Policy) -> list[dict[str, Any]]:
    return [
        {"stage": stage, "rule": index, "kind": rule.kind, "description": rule.describe()}
        for stage in policy.guards
        for index, rule in enumerate(policy.rules(stage))
    ]
