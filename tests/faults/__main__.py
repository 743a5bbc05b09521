"""Run the fault matrix and print what came of it: ``python -m tests.faults --rows F01,F13 --runs 25``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import pytest

from tests.faults.matrix import LEFT_OUT, ROWS, Matrix, document, table

TESTS = Path(__file__).parents[1]
PLACES = [
    "faults",
    "races",
    "migrations",
    "services/maintenance/test_garbage_collection.py",
    "mlflow/test_lost_commits.py",
]


def main(arguments: list[str]) -> int:
    """The exit status: 0 when every fault was survived."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--rows", default="", help="the rows to run, as F01,F13; without it every one but the soak")
    parser.add_argument("--runs", type=int, default=1, help="how often each fault is injected at least (1)")
    parser.add_argument("--json", type=Path, help="also write the table to this file")
    parser.add_argument("--list", action="store_true", help="name the rows, and those that are left out")
    parser.add_argument("--slow", action="store_true", help="also the variants that take minutes each")
    options = parser.parse_args(arguments)
    if options.list:
        sys.stdout.write("\n".join(f"{row:8}{text}" for row, text in [*ROWS.items(), *LEFT_OUT.items()]) + "\n")
        return 0
    rows = options.rows.split(",") if options.rows else [row for row in ROWS if row != "soak"]
    if unknown := sorted(set(rows) - set(ROWS)):
        parser.error(f"there is no row {', '.join(unknown)}; --list names them")
    matrix = Matrix(rows, options.runs)
    flags = ["-q", "-n", "0", "--every-variant", "--timeout", "1800", "-p", "no:cacheprovider", "--no-header"]
    flags += ["-m", "fault"] if options.slow else []
    try:
        status = pytest.main([*flags, *(str(TESTS / place) for place in PLACES)], plugins=[matrix])
    finally:  # also of a run that was interrupted
        sys.stdout.write(table(matrix.results) + "\n")
    if options.json:
        options.json.write_text(json.dumps(document(matrix.results), indent=2) + "\n")
    return int(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
