"""The loop of a witness: look, keep what was seen, report; goes on through outages for a limited time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import click

from registry.cli.proof import kept_files, trusted_keys
from registry.cli.proof.sealed_log import document
from registry.cli.proof.undecided import Undecided, undecided
from registry.cli.support import output
from registry.cli.support.session import Session
from registry.client.errors import Forbidden, InsecureConnection, RegistryError, Unauthenticated
from registry.client.sealed_log.source import Source
from registry.client.sealed_log.witness import Look, Sighting, look
from registry.rules.audit_log.notes import VerifierKey
from registry.rules.audit_log.reports import Outcome
from registry.rules.audit_log.state import StateError

# Failures that do not pass by waiting.
FINAL = (Unauthenticated, Forbidden, InsecureConnection)


@undecided()
def watch(session: Session, given: Sequence[str], path: Path, *, every: float, once: bool, give_up: float) -> Outcome:
    """Look every *every* seconds until there is a problem, or with *once* one time; return the exit code."""
    keys = trusted_keys.keys(given)
    if not path.parent.is_dir():
        raise click.UsageError(f"--state {path}: there is no directory {path.parent}.")
    seen = _kept_sighting(path)
    source = Source(session.registry.audit)
    verified_at = time.monotonic()
    while True:
        done = _looked(session, source, keys, seen)
        outcome = done.report.outcome if done else Outcome.UNDECIDED
        if done is not None:
            _show_look(session, done, seen, path)
        if outcome is Outcome.VERIFIED and done is not None:
            seen, verified_at = done.sighting, time.monotonic()
        if once or outcome is Outcome.TAMPERED:
            return outcome
        if time.monotonic() - verified_at > give_up:
            session.warn(f"no checkpoint was verified for {give_up:g} s; giving up")
            return Outcome.UNDECIDED
        time.sleep(every)


def _looked(session: Session, source: Source, keys: Sequence[VerifierKey], seen: Sighting | None) -> Look | None:
    """Look once; None after a warning when the registry did not answer."""
    try:
        return look(source, keys=keys, seen=seen)
    except FINAL:
        raise
    except RegistryError as error:
        session.warn(f"the registry could not be watched: {error}")
        return None


def _show_look(session: Session, done: Look, seen: Sighting | None, path: Path) -> None:
    """Print a new checkpoint or a problem, and keep the one or the other."""
    report = done.report
    if done.sighting is not None and done.sighting is not seen:
        if seen is None or seen.note != done.sighting.note or seen.keys != done.sighting.keys:
            done.sighting.write(path)
        if seen is None or seen.checkpoint != done.sighting.checkpoint:
            _announce(session, done, done.sighting, seen)
    if report.problems and done.note is not None and report.checkpoint is not None:
        output.note(f"The signed checkpoint is kept as evidence: {kept_files.keep_refused(path, done.note)}")
    if report.problems and session.as_json:
        output.document(document(report, done.sighting.keys if done.sighting else (), done.note))
    for problem in report.problems if not session.as_json else ():
        output.line(f"TAMPERED: {problem}")
    for text in report.undecided:
        session.warn(text)


def _announce(session: Session, done: Look, sighting: Sighting, seen: Sighting | None) -> None:
    checkpoint = sighting.checkpoint
    if session.as_json:
        output.document(document(done.report, sighting.keys, sighting.note))
        return
    continues = f"continues size {seen.checkpoint.size}" if seen else "the first one"
    output.line(f"{checkpoint.origin} size {checkpoint.size} root {checkpoint.root.hex()}: {continues}")
    for key in sighting.keys if done.first_use else ():
        output.note(f"Trusted on first use: {key}. Compare it with what the operator published.")


def _kept_sighting(path: Path) -> Sighting | None:
    data = kept_files.read(path)
    try:
        return None if data is None else Sighting.load(data)
    except StateError as error:
        raise Undecided(f"{path}: {error}") from error
