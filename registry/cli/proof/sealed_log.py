"""Verification of the sealed log for the command line: of a registry, or of a file; with keys, state and report."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from registry.cli.proof import kept_files, trusted_keys
from registry.cli.proof.undecided import undecided
from registry.cli.support import output
from registry.cli.support.session import Session
from registry.client.sealed_log.source import Source
from registry.client.sealed_log.verification import LogVerification
from registry.client.sealed_log.verification import verify as verify_registry
from registry.rules.audit_log.archive import ArchiveError
from registry.rules.audit_log.checkpoints import CheckpointError
from registry.rules.audit_log.files import CHECKPOINT, ENTRIES, FileError, read_origin
from registry.rules.audit_log.files import verify_file as verify_files
from registry.rules.audit_log.notes import NoteError, VerifierKey
from registry.rules.audit_log.reports import Outcome, Report, lines
from registry.rules.audit_log.state import State


@undecided()
def verify(session: Session, *, keys: Sequence[str], state: Path | None, from_start: bool) -> int:
    """Verify the registry's log, keep the state, print the report; return the exit code."""
    trusted = trusted_keys.keys(keys)
    path = state or kept_files.path_of(session.registry.url)
    known = kept_files.load(path)
    done = verify_registry(Source(session.registry.audit), keys=trusted, state=known, from_start=from_start)
    report = done.report
    if done.state is not None and done.state is not known:
        kept_files.write(path, done.state)
    refused = None
    if done.note is not None and report.problems and report.checkpoint is not None:
        refused = kept_files.keep_refused(path, done.note)
    if session.as_json:
        since = known.checkpoint.size if known else None
        more = {"since": since, "state": str(path), "first_use": done.first_use, "strangers": list(done.strangers)}
        output.document(document(report, done.keys, done.note) | more)
    else:
        _print(report)
        _explain(done, refused)
        if known is not None and not from_start and report.outcome is Outcome.VERIFIED:
            output.note(
                f"Only what is new was read: an earlier run verified the first {known.checkpoint.size} entries. "
                "--from-start reads all again."
            )
        if known is not None and done.state is known:
            output.note(f"The state of an earlier run is kept as it was: {path}")
    return report.outcome


def verify_file(session: Session, file: Path, *, keys: Sequence[str], state: Path | None, from_start: bool) -> int:
    """Verify an archive or a directory, keep *state* if it is given, print the report; return the exit code.

    A file is read from its start in any case.
    """
    known = kept_files.load(state) if state else None
    trusted = trusted_keys.keys(keys) or (known.keys if known else _keys_of_earlier_runs(file))
    if not trusted:
        raise click.UsageError(
            "Give the key of the log, as its operator published it: --key name+id+base64. Without it only the log of a "
            "registry that this user has verified before is known."
        )
    report, kept = verify_files(file, trusted, state=known)
    if not report.problems and _is_evidence(file):
        _check_facts(file, report)
    elif file.is_dir() and {path.name for path in file.iterdir()} - {CHECKPOINT, ENTRIES}:
        output.note(
            "Only the entries were verified. The other files of a directory are not compared: give the archive."
        )
    if state is not None and kept is not None and kept is not known:
        kept_files.write(state, kept)
    if session.as_json:
        output.document(document(report, trusted, None))
    else:
        _print(report)
    return report.outcome


def _is_evidence(file: Path) -> bool:
    """Return whether an archive has files besides the entries and their checkpoint: those must follow from them."""
    if not zipfile.is_zipfile(file):
        return False
    with zipfile.ZipFile(file) as archive:
        return bool(set(archive.namelist()) - {CHECKPOINT, ENTRIES})


def _check_facts(file: Path, report: Report) -> None:
    """Compare the facts of an evidence archive with its entries, where the packages of the server are installed."""
    try:
        from registry.services.evidence import checking
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("registry"):
            raise
        output.note(
            f"The entries were verified, and the facts not compared with them: {error.name} is not installed here. In "
            "a checkout: pip install '.[server]'"
        )
        return
    checking.check(file, report)


def document(report: Report, keys: Sequence[VerifierKey], note: bytes | None) -> dict[str, Any]:
    """Return a report as JSON."""
    checkpoint = report.checkpoint
    return {
        "outcome": report.outcome.name.lower(),
        "checkpoint": checkpoint
        and {"origin": checkpoint.origin, "size": checkpoint.size, "root": checkpoint.root.hex()},
        "note": None if note is None else note.decode(errors="replace"),
        "entries": report.entries,
        "chains": report.chains,
        "redacted": report.redacted,
        "problems": report.problems,
        "undecided": report.undecided,
        "keys": list(map(str, keys)),
    }


def _print(report: Report) -> None:
    for line in lines(report):
        output.line(line)


def _explain(done: LogVerification, refused: Path | None) -> None:
    """Write to stderr what the result rests on, and what to do about it."""
    if done.report.outcome is Outcome.VERIFIED and done.first_use:
        for key in done.keys:
            output.note(f"Trusted on first use: {key}")
        output.note(
            "This key came from the registry itself. Compare it with what the operator published, and give it with "
            f"--key or {trusted_keys.VARIABLE}."
        )
    for stranger in done.strangers:
        output.note(
            f"The checkpoint also has a signature of the key {stranger}, which is not trusted here. If the operator "
            "has announced it, give both keys with --key."
        )
    if refused is not None:
        output.note(f"The signed checkpoint is kept as evidence: {refused}")


def _keys_of_earlier_runs(file: Path) -> tuple[VerifierKey, ...]:
    """Return the keys that this user has trusted for the log of a file."""
    try:
        origin = read_origin(file)
    except (FileError, ArchiveError, NoteError, CheckpointError):
        return ()
    return _keys_of(origin)


def _keys_of(origin: str) -> tuple[VerifierKey, ...]:
    states: list[State] = [state for state in kept_files.states() if state.checkpoint.origin == origin]
    return tuple(dict.fromkeys(key for state in states for key in state.keys))
