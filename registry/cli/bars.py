"""Progress on stderr, for people only: nothing when stderr is not a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LABELS = {"hash": "Hashing", "upload": "Uploading", "download": "Downloading", "verify": "Verifying"}


@contextmanager
def progress() -> Iterator[Callable[[str, int, int], None] | None]:
    """A callback that draws one bar per step, or None."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as drawn:
        bars: dict[str, TaskID] = {}

        def advance(step: str, done: int, total: int) -> None:
            if step not in bars:
                bars[step] = drawn.add_task(LABELS.get(step, step), total=total)
            drawn.update(bars[step], completed=done, total=total)

        yield advance
