"""Verification of a whole log from a directory, by the program that an auditor runs."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from tests.support.sealed_log import KEY, SealedLog


def measure(folder: Path, entries: int) -> float:
    """Return the seconds that it takes to verify *entries* entries. Raises CalledProcessError."""
    log = SealedLog().fill(entries).write(folder / "log")
    command = [sys.executable, "-m", "registry.rules.audit_log", "--key", str(KEY.verifier), str(log)]
    begin = time.monotonic()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds = time.monotonic() - begin
    if f"VERIFIED: {entries} entries" not in done.stdout:
        raise RuntimeError(done.stdout)
    return seconds
