"""``registry doctor``: is this installation well, or from a client's side, is that registry?"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from registry.cli.support import output, server, tables
from registry.cli.support.cells import Whole
from registry.cli.support.exit_codes import Exit
from registry.cli.support.options import COMMON
from registry.cli.support.session import Session

if TYPE_CHECKING:
    from registry.client.diagnosis import Finding, State
    from registry.services.monitoring.checks import Check

# Who sets one of these speaks of the server's own machine.
SERVERS = ("REGISTRY_DATABASE_URL", "REGISTRY_DATABASE_URL_FILE", "REGISTRY_DATA_DIR", "REGISTRY_DATA_DIR_FILE")


@click.command()
@click.option("--url", metavar="URL", help="Check this registry as a client. [env: REGISTRY_URL]")
@click.option("--token", metavar="TOKEN", help="Better in a file: registry login. [env: REGISTRY_TOKEN(_FILE)]")
@click.option("--insecure", is_flag=True, help="Send the token over plain http. [env: REGISTRY_INSECURE]")
@click.option("--ca-file", metavar="FILE", help=COMMON["--ca-file FILE"])
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
@server.settings
def doctor(
    url: str | None, token: str | None, insecure: bool, ca_file: str | None, as_json: bool, **overrides: Any
) -> None:
    """Run all checks once: on the server's machine, or with --url as a client.

    On the server's machine: settings, database and its engine, migrations, store, workers, waiting work.
    As a client (also if REGISTRY_URL is set and no database): address, certificate, clock, release, token, and whether
    bytes come from the store; if the store is empty, one upload is announced and aborted. Exits with 8 when a check
    fails, and shows how to fix it.

    \b
    Example:
      registry doctor
      registry doctor --url https://registry.example
    """
    if url or _is_client(overrides):
        with Session(url=url, token=token, insecure=insecure, ca_file=ca_file, as_json=as_json) as session:
            findings = list(_as_client(session))
    else:
        findings = _as_server(overrides)
    _tell(findings, as_json=as_json)
    if any(finding.state == "wrong" for finding in findings):
        click.get_current_context().exit(Exit.UNAVAILABLE)


def _is_client(overrides: dict[str, Any]) -> bool:
    local = any(overrides.values()) or any(os.environ.get(name) for name in SERVERS)
    return bool(os.environ.get("REGISTRY_URL")) and not local


def _as_client(session: Session) -> Iterator[Finding]:
    from registry.client.diagnosis import diagnose

    target = session.target
    yield from diagnose(target.url, target.token, insecure=target.insecure, ca_file=target.ca_file)


def _as_server(overrides: dict[str, Any]) -> list[Finding]:
    from registry.client.diagnosis import Finding

    return [
        Finding(name, _state(check), check.detail, check.fix) for name, check in server.examine(**overrides).items()
    ]


def _state(check: Check) -> State:
    if not check.ok:
        return "wrong"
    return "warning" if check.fix else "ok"


def _tell(findings: Sequence[Finding], *, as_json: bool) -> None:
    if as_json:
        output.document(
            {
                item.name: {"ok": item.state != "wrong", "state": item.state, "detail": item.detail, "fix": item.fix}
                for item in findings
            }
        )
        return
    labels = {"ok": "ok", "warning": "warning", "wrong": "WRONG"}
    rows = [[item.name, Whole(labels[item.state]), item.detail] for item in findings]
    tables.table(("what", "state", "detail"), rows, empty="nothing was looked at")
    for item in findings:
        if item.fix:
            output.line(f"{item.name}: {item.fix}")
