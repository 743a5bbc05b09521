"""``registry audit verify``: verification of the sealed log, of responses, or of the database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from registry.cli.support import output, server
from registry.cli.support.exit_codes import Exit
from registry.cli.support.options import connected, log_keys
from registry.cli.support.session import Session

if TYPE_CHECKING:
    from registry.cli.proof import verification as proof
    from registry.client.types import ModelVerificationView
    from registry.services.audit import ChainReport

REPORTED = ("aggregate", "label", "entries", "problems", "uncovered", "baseline", "redacted")  # of a chain, in JSON
_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@log_keys
@click.option("--state", type=_FILE, help="The verified position, for the next run. [default: one file per registry]")
@click.option("--from-start", is_flag=True, help="Read all entries again, not only those since the last run.")
@click.option(
    "--file", type=click.Path(exists=True, path_type=Path), help="Verify this archive or directory; needs no server."
)
@click.option("--answers", is_flag=True, help="Replay the log and compare it with the responses of the registry.")
@click.option("--local", is_flag=True, help="Check the rows, on the server's machine, with its database and its key.")
@click.option("--remote", is_flag=True, help="Run the checks of --local in the registry, up to 10,000 entries.")
@click.option("--model", metavar="NAME", help="Only models that have or had this name; with --local, else --answers.")
@click.option("--baseline", is_flag=True, help="If nothing is wrong, record what earlier releases did not record.")
@click.option(
    "--accept-unsealed",
    is_flag=True,
    help="With --baseline: also accept entries that an earlier release wrote after sealed ones.",
)
@server.settings
@connected
def verify(
    session: Session, file: Path | None, answers: bool, local: bool, remote: bool, model: str | None, **options: Any
) -> None:
    """Verify the audit log. Needs the role auditor or admin.

    Without an option: read the new entries of the sealed log, and check the signature of its checkpoint, its
    consistency with the checkpoint of the last run, every entry, every chain and every text. --answers reads all chains
    and compares them with the responses of the registry. --local, on the server's machine, checks every row that
    responses are read from. --remote runs these checks in the registry, for one model.
    --baseline, --dev and --data-dir imply --local, and --model alone implies --answers.

    Exits with 0 when everything agrees with the log, with 1 when something differs, and with 2 when the result is
    undecided: there is no checkpoint, the log is empty, or entries of another release lack required facts.

    The key of the log is the one that its operator published. Without --key the first run trusts the key that the
    registry shows, and later runs trust the same one.

    \b
    Example:
      registry audit verify
      registry audit verify --key registry.example/audit+1a2b3c4d+AbC…= --state log.json
      registry audit verify --file evidence.zip
      registry audit verify --answers --model fraud
      registry audit verify --remote --model fraud
      registry audit verify --local --baseline
    """
    log = {name: options.pop(name) for name in ("keys", "state", "from_start")}
    baseline = {name: options.pop(name) for name in ("baseline", "accept_unsealed")}
    local = local or any(baseline.values()) or any(options.values())
    answers = answers or (model is not None and not (local or remote) and file is None)
    if answers + local + remote + (file is not None) > 1:
        raise click.UsageError("--answers, --local, --remote and --file exclude each other.")
    if remote and model is None:
        raise click.UsageError("--remote verifies one model: add --model.")
    if (answers or local or remote) and any(log.values()):
        raise click.UsageError("--key, --state and --from-start are for the sealed log; leave them out here.")
    if file is not None and (model is not None or log["from_start"]):
        raise click.UsageError("--file is verified as a whole; leave --model and --from-start out.")
    outcome: int
    if remote:
        outcome = _show_verification(session, session.registry.audit.verify_model(str(model)))
    elif answers:
        outcome = _show_chains(session, _verify_answers(session, model), local=False)
    elif local:
        _record_baselines(model, **baseline, **options)
        outcome = _show_chains(session, server.verify_audit(model=model, **options), local=True)
    else:
        outcome = _verify_log(session, file, **log)
    click.get_current_context().exit(outcome)


def _verify_log(session: Session, file: Path | None, **options: Any) -> int:
    from registry.cli.proof import sealed_log

    return sealed_log.verify(session, **options) if file is None else sealed_log.verify_file(session, file, **options)


def _record_baselines(model: str | None, *, baseline: bool, accept_unsealed: bool, **overrides: Any) -> None:
    if accept_unsealed and not baseline:
        raise click.UsageError("--accept-unsealed needs --baseline.")
    if baseline and model is not None:
        raise click.UsageError("--baseline is for all chains; leave --model out.")
    if baseline:
        for recorded in server.record_baselines(accept_unsealed=accept_unsealed, **overrides):
            output.line(f"{_chain_name(recorded)}: baseline recorded")


def _show_chains(session: Session, reports: Iterable[ChainReport | proof.ChainReport], *, local: bool) -> Exit:
    chain_reports = []
    for report in reports:
        chain_reports.append(report)
        if not session.as_json:
            _show(report)
    outcome = _outcome(chain_reports)
    if session.as_json:
        documents = [{name: getattr(report, name) for name in REPORTED} for report in chain_reports]
        output.document({"chains": documents, "outcome": outcome.name.lower(), "local": local})
    else:
        _conclude(chain_reports, outcome, local=local)
    return outcome


def _show_verification(session: Session, verification: ModelVerificationView) -> Exit:
    if session.as_json:
        output.document(verification)
    else:
        for chain in verification["chains"]:
            output.line(
                f"{chain['chain']} ({chain['name']}): {chain['entries']} entries, "
                f"{chain['published']} covered by a published checkpoint, head {chain['head']}"
            )
            for problem in chain["problems"]:
                output.line(f"{chain['name']}: {problem}")
            for gap in chain["uncovered"]:
                output.line(f"{chain['name']}: not covered: {gap}")
        output.line(f"{verification['outcome']}: {verification['detail']}")
        output.note("The registry checked itself. Verify its log from here: registry audit verify")
    return {"verified": Exit.OK, "differs": Exit.ERROR}.get(verification["outcome"], Exit.USAGE)


def _verify_answers(session: Session, model: str | None) -> Iterator[ChainReport | proof.ChainReport]:
    from registry.cli.proof import verification

    return verification.verify(session.registry, model=model)


def _outcome(reports: Sequence[ChainReport | proof.ChainReport]) -> Exit:
    if any(report.problems for report in reports):
        return Exit.ERROR
    if any(report.uncovered for report in reports) or not any(report.entries for report in reports):
        return Exit.USAGE
    return Exit.OK


def _conclude(reports: Sequence[ChainReport | proof.ChainReport], outcome: Exit, *, local: bool) -> None:
    entries = sum(report.entries for report in reports)
    what = f"{entries} entries in {output.count(sum(bool(report.entries) for report in reports), 'chain')}"
    if outcome is Exit.ERROR:
        wrong = sum(bool(report.problems) for report in reports)
        output.line(f"Differs from the log: {output.count(wrong, 'chain')} ({what} read).")
    elif outcome is Exit.USAGE:
        unknown = sum(bool(report.uncovered) for report in reports)
        advice = "; see --baseline" if local else ""
        why = f"{output.count(unknown, 'chain')} not covered{advice}" if unknown else "the log is empty"
        output.line(f"Undecided: {why} ({what} read).")
    else:
        output.line(f"Everything agrees with the log ({what}).")
    if not local:
        output.note("Not checked from here: seals, and rows that the API does not show. On the server: --local")


def _chain_name(report: ChainReport | proof.ChainReport) -> str:
    return f"{report.aggregate} ({report.label})" if report.label else report.aggregate


def _show(report: ChainReport | proof.ChainReport) -> None:
    since = f", facts of earlier releases covered since {report.baseline}" if report.baseline else ""
    if report.is_whole:
        redacted = f", {output.count(report.redacted, 'text')} redacted" if report.redacted else ""
        output.line(f"{_chain_name(report)}: {report.entries} entries, whole{redacted}{since}")
    for problem in report.problems:
        output.line(f"{_chain_name(report)}: {problem}")
    for gap in report.uncovered:
        output.line(f"{_chain_name(report)}: not covered: {gap}{since}")
