"""Lines in temporary files, so that what is made once can be read several times in constant memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import IO


class Spool:
    """A temporary file for each name; they are deleted when *stack* ends."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._files: dict[str, IO[bytes]] = {}

    def write(self, name: str, lines: Iterable[bytes]) -> None:
        """Keep lines under a name. Raises OSError."""
        file = self._stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 -- the stack closes it
        self._files[name] = file
        file.writelines(lines)

    def lines(self, name: str) -> Iterator[bytes]:
        """Yield the lines of a name; two readers of it do not disturb each other."""
        file, at = self._files[name], 0
        file.seek(at)
        while line := file.readline():
            at = file.tell()
            yield line
            file.seek(at)
