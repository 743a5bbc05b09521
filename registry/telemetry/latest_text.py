"""The latest text of a costly rendering, which the processes of one server share, and its renewal.

All processes answer with one text, so that no count in it falls for a reader that reaches one process after another.
"""

from __future__ import annotations

import fcntl
import os
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from registry.domain.errors import Unavailable
from registry.telemetry import shared_values
from registry.telemetry.processes import TEXT, VARIABLE

WAIT_SECONDS = 10.0  # for the rendering of another thread or process
POLL_SECONDS = 0.02
WANTED_SECONDS = 120.0  # the text is renewed in the background for so long after the latest request
AHEAD_SECONDS = 1.5  # before it is too old
_HEADER = struct.Struct("<d")


@dataclass(frozen=True, slots=True)
class RenderedText:
    """``made_at`` is when its rendering began, by the monotonic clock, which all processes of a machine share."""

    content: bytes
    made_at: float

    def is_newer_than(self, seconds: float) -> bool:
        """Return whether the text is less than *seconds* old; a time ahead is from before a reboot."""
        return 0 <= time.monotonic() - self.made_at < seconds


class _Memory:
    """A place for the text of one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._text: RenderedText | None = None

    def read(self) -> RenderedText | None:
        return self._text

    def write(self, text: RenderedText) -> None:
        self._text = text

    @contextmanager
    def turn(self, seconds: float) -> Iterator[bool]:
        mine = self._lock.acquire(timeout=seconds) if seconds else self._lock.acquire(blocking=False)
        try:
            yield mine
        finally:
            if mine:
                self._lock.release()


class _Directory:
    """A place in the directory of the shared counts. Raises OSError where that cannot be used."""

    def __init__(self, directory: str) -> None:
        self._path = Path(directory) / TEXT

    def read(self) -> RenderedText | None:
        try:
            content = self._path.read_bytes()
            return RenderedText(content[_HEADER.size :], _HEADER.unpack_from(content)[0])
        except (FileNotFoundError, struct.error):
            return None

    def write(self, text: RenderedText) -> None:
        """Replace the text; where there is no room, leave none rather than an old one."""
        draft = self._path.with_suffix(".draft")  # one process writes at a time
        try:
            draft.write_bytes(_HEADER.pack(text.made_at) + text.content)
            draft.replace(self._path)
        except OSError:
            for path in (draft, self._path):
                with suppress(OSError):
                    path.unlink(missing_ok=True)

    @contextmanager
    def turn(self, seconds: float) -> Iterator[bool]:
        descriptor = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            yield _lock_file(descriptor, seconds)
        finally:
            os.close(descriptor)


class LatestText:
    """The text that *render* returns, as old as a reader admits."""

    def __init__(self, render: Callable[[], bytes]) -> None:
        self._render, self._memory, self._asked_at = render, _Memory(), -WANTED_SECONDS

    def get(self, seconds: float) -> bytes:
        """Return a text that is less than *seconds* old; twice as old while another thread or process renders.

        Raises Unavailable when that takes too long.
        """
        asked_at = self._asked_at = time.monotonic()

        def read(place: _Memory | _Directory, most: float) -> bytes | None:
            rendered = place.read()
            suits = rendered is not None and (
                rendered.is_newer_than(most) or asked_at <= rendered.made_at <= time.monotonic()
            )
            return rendered.content if rendered is not None and suits else None

        def ask(place: _Memory | _Directory) -> bytes:
            if (content := read(place, seconds)) is not None:
                return content
            latest = read(place, 2 * seconds)
            with place.turn(0 if latest is not None else WAIT_SECONDS) as mine:
                if mine:
                    return read(place, seconds) or self._renew(place)
            if latest is None:
                raise Unavailable("the metrics are still being rendered; scrape again", retry_after=5)
            return latest

        try:
            return ask(self._place())
        except OSError:  # the directory is gone, or takes no lock
            return ask(self._memory)

    def renew_early(self, seconds: float) -> None:
        """Render shortly before the text is *seconds* old, if it was requested lately, in one process at a time."""
        if seconds <= AHEAD_SECONDS or time.monotonic() - self._asked_at > WANTED_SECONDS:
            return
        with suppress(OSError):
            place = self._place()
            with place.turn(0) as mine:
                rendered = place.read()
                if mine and not (rendered is not None and rendered.is_newer_than(seconds - AHEAD_SECONDS)):
                    self._renew(place)

    def _place(self) -> _Memory | _Directory:
        """Return where the text is kept: apart from the others for a process whose counts are not shared."""
        directory = os.environ.get(VARIABLE)
        return _Directory(directory) if directory and shared_values.problem() is None else self._memory

    def _renew(self, place: _Memory | _Directory) -> bytes:
        began_at = time.monotonic()
        text = RenderedText(self._render(), began_at)
        place.write(text)
        return text.content


def _lock_file(descriptor: int, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while True:
        with suppress(BlockingIOError):
            # flock() takes no timeout, so the lock is polled.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        if time.monotonic() >= end:
            return False
        time.sleep(POLL_SECONDS)
