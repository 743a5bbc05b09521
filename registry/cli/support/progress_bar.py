"""Progress on stderr: a bar on a terminal, in a log a line now and then, nothing of what is done in a moment."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from registry.cli.support import output

Report = Callable[[str, int, int], None]

LABELS = {
    "hash": "Hashing",
    "upload": "Uploading",
    "download": "Downloading",
    "verify": "Verifying",
    "import": "Importing",
}
EVERY = 10.0


@contextmanager
def progress(*, quiet: bool = False) -> Iterator[Report | None]:
    """Provide a callback that shows each step on stderr: as one bar on a terminal, else as lines unless *quiet*."""
    if sys.stderr.isatty():
        with _bar() as report:
            yield report
    else:
        yield None if quiet else ProgressLines(output.note, time.monotonic)


@contextmanager
def _bar() -> Iterator[Report]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as drawn:
        bar = drawn.add_task("", total=None, visible=False)
        shown = ""

        def report(step: str, done: int, total: int) -> None:
            nonlocal shown
            if step != shown:
                shown = step
                drawn.reset(bar, description=LABELS.get(step, step), total=total, visible=True)
            drawn.update(bar, completed=done, total=total or None)

        yield report


@contextmanager
def waiting(text: str, *, quiet: bool = False) -> Iterator[None]:
    """Show what the command waits for: once, on a terminal while it lasts."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.text import Text

        with Console(stderr=True).status(Text(output.clean(text))):
            yield
        return
    if not quiet:
        output.note(text)
    yield


class ProgressLines:
    """Writes a line for a step that takes long: every ten seconds, and at its end."""

    def __init__(self, write: Callable[[str], None], clock: Callable[[], float]) -> None:
        self._write, self._clock = write, clock
        self._step = ""
        self._began = self._written = 0.0
        self._spoke = False

    def __call__(self, step: str, done: int, total: int) -> None:
        now = self._clock()
        if step != self._step:
            self._step, self._began, self._written, self._spoke = step, now, now, False
        over = self._spoke and done >= total > 0
        if over or now - self._written >= EVERY:
            self._written, self._spoke = now, not over
            self._write(_line(step, done, total, now - self._began))


def _line(step: str, done: int, total: int, seconds: float) -> str:
    rate = done / seconds if seconds > 0 else 0.0
    parts = [f"{output.size(done)} of {output.size(total)}" if done < total else output.size(done)]
    if rate > 0:
        parts.append(f"{output.size(int(rate))}/s")
    if rate > 0 and done < total:
        parts.append(f"{output.span((total - done) / rate)} left")
    return f"{LABELS.get(step, step)}: {', '.join(parts)}"
