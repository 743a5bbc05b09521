"""``registry gate``: the policies that guard staging and production, and what their rules say of versions."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

import click

from registry.cli.support import output, policy_lines
from registry.cli.support.cells import Moment
from registry.cli.support.exit_codes import Exit
from registry.cli.support.options import connected, limit, reason
from registry.cli.support.parsing import MODEL, REFERENCE
from registry.cli.support.session import Session

if TYPE_CHECKING:
    from registry.client import Reference
    from registry.client.gate_replay import GateReplay
    from registry.client.types import PolicyTrialView, PolicyView
    from registry.rules.policies import Policy, Problem

_model_argument = click.argument("name", type=MODEL, required=False)
_default = click.option("--default", "is_default", is_flag=True, help="The default policy, instead of a model's own.")


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
    for line in policy_lines.lines(policy):
        output.line(line)


@gate.command("set")
@_model_argument
@_default
@click.option("--file", "file", type=click.File("rb"), required=True, help="The document, YAML or JSON; - reads stdin.")
@reason(required=True)
@connected
def set_(session: Session, name: str | None, is_default: bool, file: IO[bytes], reason: str) -> None:
    """Let a policy guard a model, or with --default each model without its own.

    \b
    Example:
      registry gate set fraud --file policy.yaml --reason "agreed with risk"
      registry gate set --default --file policy.yaml --reason "for every team"
    """
    model = _model(name, is_default)
    policy = session.registry.gates.set(model, _document_text(file), reason=reason)
    session.show(policy, lambda: output.line(f"{_set_sentence(policy)}: {policy['digest']}"))


@gate.command()
@_model_argument
@_default
@connected
def show(session: Session, name: str | None, is_default: bool) -> None:
    """Show the policy that guards a model: its own, or the default one.

    \b
    Example:
      registry gate show fraud
      registry gate show --default
    """
    policy = session.registry.gates.get(_model(name, is_default))
    session.show(policy, lambda: _print_policy(policy))


@gate.command()
@_model_argument
@_default
@limit(50)
@connected
def history(session: Session, name: str | None, is_default: bool, limit: int) -> None:
    """List the policies that were set for a model, and their removals, newest first.

    \b
    Example:
      registry gate history fraud
    """
    policies = session.registry.gates.history(_model(name, is_default))
    columns = ("number", "policy", "set", "by", "reason")
    session.list(policies, columns, _policy_row, empty="no policy was ever set", limit=limit)


@gate.command()
@_model_argument
@_default
@reason(required=True)
@connected
def remove(session: Session, name: str | None, is_default: bool, reason: str) -> None:
    """Remove a model's own policy, so that the default one guards it; or with --default the default one.

    \b
    Example:
      registry gate remove fraud --reason "the default one is stricter now"
    """
    policy = session.registry.gates.remove(_model(name, is_default), reason=reason)
    session.show(policy, lambda: output.line(f"{_whose(policy)} is removed"))


@gate.command()
@click.argument("ref", type=REFERENCE)
@connected
def replay(session: Session, ref: Reference) -> None:
    """Evaluate the gates of a version's past promotions again, here, from the stored policies and facts.

    Compares the verdicts with the stored ones by rule, outcome, input and source, and the digest of what is stored with
    the audit entry of the promotion. Exits with 5 if something differs. The wording of verdicts is not compared: it can
    change between releases.

    \b
    Example:
      registry gate replay fraud:3
    """
    replays = list(session.registry.gates.replay(ref.model, session.number(ref)))
    shown = [{"move": one.move, "same": one.is_same, "differences": list(one.differences)} for one in replays]
    session.show({"items": shown}, lambda: _print_replays(replays, ref))
    if not all(one.is_same for one in replays):
        click.get_current_context().exit(Exit.CONFLICT)


@gate.command()
@click.option("--file", "file", type=click.File("rb"), required=True, help="The document, YAML or JSON; - reads stdin.")
@click.option(
    "--against",
    type=click.Choice(["history", "staging"]),
    required=True,
    help="Past promotions, or the versions in staging now.",
)
@click.option("--model", "name", type=MODEL, help="Only this model; without it, all models.")
@limit(50)
@connected
def test(session: Session, file: IO[bytes], against: Any, name: str | None, limit: int) -> None:
    """Show which past promotions a policy would have refused, or what it says of the versions in staging now.

    Changes nothing. A past promotion is evaluated on the facts that are stored with it, where they suffice; otherwise
    on what was recorded until then. The outcome is unknown where a rule rests on what is not recorded for that time.

    \b
    Example:
      registry gate test --file new.yaml --against history --model fraud
      registry gate test --file new.yaml --against staging
    """
    trials = session.registry.gates.test(_document_text(file), against=against, model=name)
    columns = ("version", "stage", "time", "outcome", "because")
    session.list(trials, columns, _trial_row, empty=f"no version to try it on in {against}", limit=limit)


def _model(name: str | None, is_default: bool) -> str | None:
    """Return the name of the model, None for the default policy."""
    if (name is None) is not is_default:
        raise click.UsageError("Name a model, or give --default.")
    return name


def _document_text(file: IO[bytes]) -> str:
    """Return the content of a file, of which the registry takes 64 KiB at most."""
    from registry.rules.policies import MAX_BYTES

    try:
        return file.read(MAX_BYTES + 1).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise click.UsageError(f"{file.name} must be UTF-8.") from error


def _whose(policy: PolicyView) -> str:
    return (
        f"policy {policy['number']} of {policy['model']}" if policy["model"] else f"default policy {policy['number']}"
    )


def _set_sentence(policy: PolicyView) -> str:
    return f"{_whose(policy)} is {'set' if policy['changed'] else 'set already; nothing changed'}"


def _print_policy(policy: PolicyView) -> None:
    output.line(f"{_whose(policy)}, set {output.when(policy['set_at'])} by {policy['set_by']}: {policy['digest']}")
    for line in policy_lines.of(policy["document"] or {}):
        output.line(line)


def _policy_row(policy: PolicyView) -> list[object]:
    digest = policy["digest"] or "(removed)"
    return [policy["number"], digest, Moment(policy["set_at"]), policy["set_by"], policy["reason"] or ""]


def _print_replays(replays: list[GateReplay], ref: Reference) -> None:
    if not replays:
        output.note(f"no move of {ref} was guarded by a policy")
    for one in replays:
        move = one.move
        name = f"{move['model']}:{move['version']} to {move['target']}, {output.when(move['at'])}"
        output.line(f"{name}: {'same' if one.is_same else 'DIFFERS'}")
        for difference in one.differences:
            output.line(f"  {difference}")


def _trial_row(trial: PolicyTrialView) -> list[object]:
    failed = [f"{gate['description']}: {gate['reason']}" for gate in trial["gates"] if not gate["passed"]]
    unrecorded = [f"not recorded: {', '.join(trial['unrecorded'])}"] if trial["unrecorded"] else []
    name = f"{trial['model']}:{trial['version']}"
    return [name, trial["stage"], Moment(trial["at"]), trial["outcome"], "; ".join([*failed, *unrecorded])]


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
