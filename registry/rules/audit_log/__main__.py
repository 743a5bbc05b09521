"""``python -m audit_log``: verify a directory or an archive of the sealed log; the exit code is the outcome."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from .files import verify_file
from .notes import NoteError, VerifierKey
from .reports import Outcome, lines
from .state import State, StateError


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify what the arguments name; return 0 (verified), 1 (tampered) or 2 (not decided, or wrong arguments)."""
    parser = argparse.ArgumentParser(prog="audit_log", description="Verify a sealed audit log offline.")
    parser.add_argument("path", type=Path, help="directory or archive with a checkpoint and entries.jsonl")
    parser.add_argument("--key", action="append", default=[], help="trusted key of the log: name+id+base64; repeatable")
    parser.add_argument("--state", type=Path, help="file that keeps what was verified, for the next run")
    options = parser.parse_args(arguments)
    try:
        keys = tuple(map(VerifierKey.parse, options.key))
        known = options.state is not None and options.state.exists()
        state = State.load(options.state.read_bytes()) if known else None
        if not keys and state is None:
            parser.error("give the log's key, which its operator has published: --key name+id+base64")
        report, kept = verify_file(options.path, keys or (state.keys if state else ()), state=state)
        if kept is not None and kept is not state and options.state is not None:
            kept.write(options.state)
    except (NoteError, StateError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return Outcome.UNDECIDED
    sys.stdout.write("".join(f"{line}\n" for line in lines(report)))
    return report.outcome


if __name__ == "__main__":
    sys.exit(main())
