"""``registry request``: approval of moves and policies by a second person."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from registry.cli.support import gate_lines, output, policy_lines
from registry.cli.support.cells import Moment, Whole
from registry.cli.support.options import connected, limit
from registry.cli.support.parsing import DURATION, MODEL, REFERENCE
from registry.cli.support.session import Session
from registry.domain.requests import WHO_APPROVES
from registry.rules.policies import parse
from registry.rules.policies.reading import InvalidPolicy

if TYPE_CHECKING:
    from registry.client import Reference
    from registry.client.types import RequestView

STATES = ("open", "rejected", "withdrawn", "applied", "expired", "void")
UNDECIDED = ("open", "approved")
COLUMNS = ("request", "for", "to", "state", "by", "opened", "approved by", "reason")


@click.group()
def request() -> None:
    """Ask for approval of a move or a policy, and decide about such requests."""


@request.command("open")
@click.argument("ref", type=REFERENCE, required=False)
@click.argument("target", required=False)
@click.option("--reason", required=True, metavar="TEXT", help="Why; history shows it.")
@click.option("--when-ready", is_flag=True, help="Apply it, in your name, as soon as its last gate passes.")
@click.option(
    "--file", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The policy that is requested."
)
@click.option("--remove", is_flag=True, help="Request that the policy is removed.")
@click.option("--expires-in", type=DURATION, help="When it expires, e.g. 12h or 3d; by default after 7 days.")
@connected
def open_(
    session: Session,
    ref: Reference | None,
    target: str | None,
    *,
    reason: str,
    when_ready: bool,
    file: Path | None,
    remove: bool,
    expires_in: float | None,
) -> None:
    """Open a request. TARGET is staging, production, @ and an alias, or policy.

    REF is a version; or a model, for its policy; without it, the default policy is meant. The request is void when the
    files of the version, the policy, or the holder of the target change.

    \b
    Example:
      registry request open fraud:3 production --reason "AUC +2" --when-ready
      registry request open fraud policy --file weaker.yaml --reason "the new data has no such tag"
      registry request open policy --remove --reason "each model has its own"
    """
    if target is None and ref is not None and ref.bare:
        target, ref = ref.model, None
    if target is None:
        raise click.UsageError("name a version and a target: registry request open fraud:3 production --reason TEXT")
    if (target == "policy") != (remove or file is not None) or (remove and file is not None):
        raise click.UsageError("with the target policy, and only with that, give either --file or --remove")
    options: dict[str, Any] = {"document": _policy(file)} if file else {}
    if ref is not None:
        options |= {"model": ref.model} if ref.bare else {"model": ref.model, "version": session.number(ref)}
    if expires_in is not None:
        options["expires_in"] = round(expires_in)
    opened = session.registry.requests.open(target, reason=reason, apply_when_ready=when_ready or None, **options)
    session.show(opened, lambda: _print_request(opened))


@request.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only these; open has the approved ones, too.")
@click.option("--model", type=MODEL, help="Only requests for this model.")
@click.option("--for-me", is_flag=True, help="Only those that wait for your approval.")
@click.option("--mine", is_flag=True, help="Only those that you opened.")
@limit(20)
@connected
def list_(session: Session, state: Any, model: str | None, *, for_me: bool, mine: bool, limit: int) -> None:
    """List requests, newest first.

    \b
    Example:
      registry request list --for-me
    """
    found = session.registry.requests.list(state=state, model=model, for_me=for_me or None, mine=mine or None)
    session.list(found, COLUMNS, _request_row, empty="no such requests", limit=limit)


@request.command()
@click.argument("request")
@connected
def show(session: Session, request: str) -> None:
    """Show a request: what was done about it, and its gates now.

    \b
    Example:
      registry request show 5f2c9d1e-0000-4000-8000-000000000000
    """
    shown = session.registry.requests.get(request)
    session.show(shown, lambda: _print_request(shown))


@request.command()
@click.argument("request")
@click.option("--comment", metavar="TEXT", help="Why; history shows it.")
@connected
def approve(session: Session, request: str, comment: str | None) -> None:
    """Approve a request of another person for a version that another person registered.

    \b
    Example:
      registry request approve 5f2c9d1e-0000-4000-8000-000000000000 --comment "looked at the report"
    """
    done = session.registry.requests.approve(request, comment=comment)
    session.show(done, lambda: _print_request(done))


@request.command()
@click.argument("request")
@click.option("--comment", required=True, metavar="TEXT", help="Why; history shows it.")
@connected
def reject(session: Session, request: str, comment: str) -> None:
    """Reject a request. That is final, and closes it.

    \b
    Example:
      registry request reject 5f2c9d1e-0000-4000-8000-000000000000 --comment "the data is of 2023"
    """
    done = session.registry.requests.reject(request, comment)
    session.show(done, lambda: _print_request(done))


@request.command()
@click.argument("request")
@click.option("--comment", metavar="TEXT", help="Why; history shows it.")
@connected
def withdraw(session: Session, request: str, comment: str | None) -> None:
    """Withdraw your request; or as an approver, your approval.

    \b
    Example:
      registry request withdraw 5f2c9d1e-0000-4000-8000-000000000000
    """
    done = session.registry.requests.withdraw(request, comment=comment)
    session.show(done, lambda: _print_request(done))


@request.command()
@click.argument("request")
@click.argument("text")
@connected
def comment(session: Session, request: str, text: str) -> None:
    """Comment on an open request.

    \b
    Example:
      registry request comment 5f2c9d1e-0000-4000-8000-000000000000 "which data is that?"
    """
    done = session.registry.requests.comment(request, text)
    session.show(done, lambda: _print_request(done))


@request.command()
@click.argument("request")
@click.option("--comment", metavar="TEXT", help="The reason of the move; by default that of the request.")
@connected
def apply(session: Session, request: str, comment: str | None) -> None:
    """Make the move, or set the policy, that was requested.

    \b
    Example:
      registry request apply 5f2c9d1e-0000-4000-8000-000000000000
    """
    done = session.registry.requests.apply(request, comment=comment)
    session.show(done, lambda: _print_request(done))


def _policy(file: Path) -> Any:
    try:
        return dict(parse(file.read_text(encoding="utf-8")).document)
    except (InvalidPolicy, UnicodeDecodeError) as error:
        raise click.UsageError(f"{file}: {error}") from error


def _named_subject(shown: RequestView) -> str:
    if shown["model"] is None:
        return "all models"
    return shown["model"] if shown["version"] is None else f"{shown['model']}:{shown['version']}"


def _print_request(shown: RequestView) -> None:
    void = f" ({shown['void']})" if shown["void"] else ""
    output.line(f"request {shown['id']}: {_named_subject(shown)} to {_named_target(shown)}, {shown['state']}{void}")
    facts = [
        ("opened", f"{output.when(shown['opened_at'])} by {shown['requester']}"),
        ("reason", shown["reason"] or "(redacted)"),
        ("expires", output.when(shown["expires_at"])),
    ]
    if shown["state"] == "open":
        facts.append(("approval", f"by {WHO_APPROVES}"))
    if shown["apply_when_ready"]:
        facts.append(("apply", f"as soon as its last gate passes, in the name of {shown['requester']}"))
    if shown["last_refusal"]:
        facts.append(("refused", shown["last_refusal"]))
    output.pairs(facts)
    for act in shown["acts"]:
        text = f": {' '.join(act['comment'].split())}" if act["comment"] else ""
        output.line(f"  {act['kind'].replace('_', ' ')} by {act['account']}, {output.when(act['at'])}{text}")
    for one in shown["excluded"]:
        output.line(f"  the approval of {one['account']} does not count: {one['reason']}")
    for line in gate_lines.lines(shown["gates"] if shown["state"] in UNDECIDED else ()):
        output.line(line)
    if shown["target"] == "policy":
        output.line("the requested policy:" if shown["document"] else "the policy is removed")
        for line in policy_lines.of(shown["document"]) if shown["document"] else ():
            output.line(line)
        if shown["document"]:
            output.line("its document:")
            output.block(json.dumps(shown["document"], indent=2, ensure_ascii=False))


def _named_target(shown: RequestView) -> str:
    if shown["target"] != "policy":
        return shown["target"]
    return f"the policy {shown['policy'][:19]}" if shown["policy"] else "no policy"


def _request_row(shown: RequestView) -> list[object]:
    approved = ", ".join(shown["approved_by"])
    return [Whole(shown["id"]), Whole(_named_subject(shown)), _named_target(shown), shown["state"], shown["requester"],
            Moment(shown["opened_at"]), approved, shown["reason"]]  # fmt: skip
