from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from registry.cli.support import output, progress_bar
from tests.support.processes import environment

MIB = 1 << 20


def lines(*reports: tuple[float, str, int, int]) -> list[str]:
    """What is written when the reports come at these seconds."""
    written: list[str] = []
    moments = iter([moment for moment, *_ in reports])
    write = progress_bar.ProgressLines(written.append, lambda: next(moments))
    for _, *report in reports:
        write(*report)  # type: ignore[arg-type]  # a step and two numbers
    return written


def test_what_is_done_in_a_moment_writes_nothing() -> None:
    assert lines((0, "hash", 0, 10), (0.1, "hash", 10, 10), (0.1, "upload", 0, 10), (9.9, "upload", 10, 10)) == []


def test_what_takes_long_writes_a_line_every_ten_seconds_and_one_at_the_end() -> None:
    reports = [(second, "upload", second * MIB, 35 * MIB) for second in range(36)]

    assert lines(*reports) == [
        "Uploading: 10.0 MiB of 35.0 MiB, 1.0 MiB/s, 25s left",
        "Uploading: 20.0 MiB of 35.0 MiB, 1.0 MiB/s, 15s left",
        "Uploading: 30.0 MiB of 35.0 MiB, 1.0 MiB/s, 5s left",
        "Uploading: 35.0 MiB, 1.0 MiB/s",
    ]


def test_each_step_has_its_own_time() -> None:
    assert lines((0, "hash", 0, 9), (9, "hash", 9, 9), (9, "upload", 0, 9), (18, "upload", 5, 9)) == []


def test_an_import_shows_its_progress() -> None:
    told = lines((0, "import", 0, 0), (11, "import", 22 * MIB, 0), (12, "import", 30 * MIB, 0))

    assert told == ["Importing: 22.0 MiB, 2.0 MiB/s"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0s"), (89, "89s"), (90, "2m"), (3000, "50m"), (3600, "1h 0m"), (12_000, "3h 20m")]
)
def test_a_span_of_time_has_units(seconds: float, text: str) -> None:
    assert output.span(seconds) == text


def test_a_terminal_shows_one_bar_with_rate_and_time_left() -> None:
    program = (
        "from registry.cli.support import progress_bar\n"
        "with progress_bar.progress() as report:\n"
        "    report('hash', 5, 10); report('upload', 0, 4 << 20); report('upload', 1 << 20, 4 << 20)\n"
    )
    ours, theirs = pty.openpty()
    with subprocess.Popen([sys.executable, "-c", program], stderr=theirs, env=environment(TERM="xterm", COLUMNS="100")):
        pass
    os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)

    assert "Uploading" in shown
    assert "1.0/4.2 MB" in shown or "1.0/4.0 MiB" in shown
