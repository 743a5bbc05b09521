"""``registry check`` and ``registry checks``: results that CI and people report about versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from registry.cli.support import output
from registry.cli.support.cells import Moment, Whole
from registry.cli.support.options import connected, connected_by_registry_url, limit
from registry.cli.support.parsing import REFERENCE
from registry.cli.support.session import Session

if TYPE_CHECKING:
    from registry.client import Reference
    from registry.client.types import CheckView

STATUSES = ("passed", "failed", "pending")


@click.command()
@click.argument("ref", type=REFERENCE)
@click.option(
    "--name", metavar="CHECK", required=True, help="The name of the check, as the policy has it, e.g. bias-audit."
)
@click.option("--status", required=True, type=click.Choice(STATUSES), help="The result.")
@click.option(
    "--url", "--report-url", "url", metavar="URL", help="Where the report of the check is; not the registry's address."
)
@click.option("--summary", metavar="TEXT", help="The result in a few words.")
@connected_by_registry_url
def check(session: Session, ref: Reference, name: str, status: Any, **about: str | None) -> None:
    """Report the result of a check of a version. The latest report of a name counts; all are kept.

    The policy of the model can name the accounts that may report a check, and require that it passed. The registry's
    address is that of REGISTRY_URL, of the configuration, or of --registry-url: here, --url is the report of the check.

    \b
    Example:
      registry check fraud:3 --name bias-audit --status passed --url https://ci.example.com/runs/7
    """
    number = session.number(ref)
    reported = session.registry.versions.report_check(ref.model, number, name, status, **about)
    session.show(reported, lambda: output.line(f"{ref.model}:{number}: {name} {reported['status']}"))


@click.command()
@click.argument("ref", type=REFERENCE)
@click.option("--all", "everything", is_flag=True, help="Also earlier reports, which do not count any more.")
@limit(0)
@connected
def checks(session: Session, ref: Reference, everything: bool, limit: int) -> None:
    """List the latest report of each check of a version.

    \b
    Example:
      registry checks fraud:3
      registry checks fraud:3 --all
    """
    reports = session.registry.versions.checks(ref.model, session.number(ref), everything=everything)
    columns = ("check", "status", "time", "by", "summary", "url")
    session.list(reports, columns, _check_row, empty=f"{ref} has no checks", limit=limit)


def _check_row(report: CheckView) -> list[object]:
    summary = "(redacted)" if report["redacted"] else report["summary"]
    return [Whole(report["name"]), report["status"], Moment(report["at"]), report["reporter"], summary, report["url"]]
