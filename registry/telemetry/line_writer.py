"""Log lines on their way out: a bounded queue and one writer thread per process.

A request never waits for the reader of the log: what does not fit in the queue is dropped and counted. Standard library
only: gunicorn's master uses it.
"""

from __future__ import annotations

import io
import logging
import os
import queue
import select
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from registry.telemetry.scrubbing import scrub

STANDARD_ERROR = 2
MOST_BYTES = 8 * 1024 * 1024
OVERHEAD_BYTES = 100  # of a text in memory
# The bytes that a pipe takes atomically, also with other writers (PIPE_BUF of Linux).
PIECE_BYTES = 4096
BATCH_LINES = 1000
PAUSE_SECONDS = 0.005
STUCK_SECONDS = 5.0
RETRY_SECONDS = 1.0
FLUSH_SECONDS = 1.0


class LineWriter:
    """Writes lines to a file descriptor, in order, without blocking their producers.

    ``put`` may be called from any thread and from a signal handler.
    """

    def __init__(self, descriptor: int = STANDARD_ERROR, *, most_bytes: int = MOST_BYTES) -> None:
        self._descriptor, self._most_bytes = descriptor, most_bytes
        self.report: Callable[[int], str] = lambda lines: f"{lines} log lines were lost"
        self.restart()

    def restart(self) -> None:
        """Begin with an empty queue: after a fork, where the lines and the thread are the parent's."""
        self._lock = threading.RLock()  # a signal handler may log while its own thread does
        self._queue: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._waiting = 0
        self._writing_since: float | None = None
        self._failure = ""
        self._unreported = 0
        self.lost = 0

    def put(self, line: str) -> None:
        """Queue a line, which has no line feed at its end; drop and count it when the queue is full."""
        size = len(line) + OVERHEAD_BYTES
        with self._lock:
            if self._waiting + size > self._most_bytes:
                self._count_lost(1)
                return
            self._waiting += size
            if self._thread is None:
                # Assigned before it starts: a signal handler that logs in between must not start a second one.
                self._thread = threading.Thread(target=self._run, args=(self._queue,), name="log", daemon=True)
                self._thread.start()
        self._queue.put(line)

    def flush(self, seconds: float = FLUSH_SECONDS) -> bool:
        """Wait until all lines are written, for *seconds* at most; return whether they are."""
        end = time.monotonic() + seconds
        while self._waiting and time.monotonic() < end:
            time.sleep(0.001)
        return not self._waiting

    def problem(self) -> str | None:
        """Return why lines are not written at the moment; None when they are."""
        since = self._writing_since
        if since is not None and (seconds := time.monotonic() - since) > STUCK_SECONDS:
            return f"the log has taken no line for {seconds:.0f} s: its reader hangs; {self.lost} lines are lost"
        if self._failure:
            return f"the log cannot be written: {self._failure}; {self.lost} lines are lost"
        return None

    def _run(self, lines: queue.SimpleQueue[str]) -> None:
        while True:
            try:
                self._write_next(lines)
            except Exception as error:  # a line that cannot be encoded, a report that cannot be made: go on
                self._failure = type(error).__name__
            time.sleep(PAUSE_SECONDS)  # under load the next lines go together

    def _write_next(self, lines: queue.SimpleQueue[str]) -> None:
        try:
            batch = [lines.get(timeout=RETRY_SECONDS if self._failure or self._unreported else None)]
        except queue.Empty:
            self._report()
            return
        while len(batch) < BATCH_LINES and not lines.empty():
            batch.append(lines.get())
        try:
            self._write(batch)
        finally:
            with self._lock:
                self._waiting -= sum(len(line) + OVERHEAD_BYTES for line in batch)

    def _report(self) -> None:
        """Try to write a line with the number of lost lines."""
        lost = self._unreported
        if self._write([self.report(lost)], counted=False) and lost:
            with self._lock:
                self._unreported -= lost

    def _write(self, batch: list[str], *, counted: bool = True) -> bool:
        """Write the lines, count those that are lost if *counted*; return whether the last one was written."""
        pieces: list[bytearray] = []
        for line in batch:
            encoded = f"{line}\n".encode(errors="backslashreplace")
            if not pieces or len(pieces[-1]) + len(encoded) > PIECE_BYTES:
                pieces.append(bytearray())
            pieces[-1] += encoded
        done = False
        for piece in pieces:
            done = self._write_piece(bytes(piece), counted=counted)
        return done

    def _write_piece(self, piece: bytes, *, counted: bool) -> bool:
        # After a failure, part of a line may be at the end of the file: this process's, or another one's.
        whole = b"\n" + piece if self._failure else piece
        rest = memoryview(whole)
        try:
            while rest:
                self._writing_since = time.monotonic()
                rest = rest[self._write_some(rest) :]
        except OSError as error:
            self._failure = os.strerror(error.errno or 0)
            if counted:
                with self._lock:
                    self._count_lost(min(bytes(rest).count(b"\n"), piece.count(b"\n")))
            return False
        finally:
            self._writing_since = None
        self._failure = ""
        return True

    def _write_some(self, rest: memoryview) -> int:
        while True:
            try:
                return os.write(self._descriptor, rest)
            except BlockingIOError:  # another process has made the pipe or the terminal non-blocking
                select.select([], [self._descriptor], [], RETRY_SECONDS)

    def _count_lost(self, lines: int) -> None:
        self.lost += lines
        self._unreported += lines


writer = LineWriter()
os.register_at_fork(after_in_child=writer.restart)


class LineHandler(logging.Handler):
    """Hands the lines of ``logging`` to this process's writer."""

    def setFormatter(self, fmt: logging.Formatter | None) -> None:  # noqa: N802 -- logging's name
        super().setFormatter(fmt)
        writer.report = self._lost

    def emit(self, record: logging.LogRecord) -> None:
        """Queue a line."""
        try:
            writer.put(self.format(record))
        except Exception:
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 -- logging's name
        """Report where a line could not be rendered; logging's own report would show the arguments and their values."""
        writer.put(f"a log line of {record.name} could not be formatted ({record.filename}:{record.lineno})")

    def flush(self) -> None:
        """Write what waits; logging calls this when the process ends."""
        writer.flush()

    def _lost(self, lines: int) -> str:
        record = logging.LogRecord(__name__, logging.WARNING, __file__, 0, "log_lines_lost: %d", (lines,), None)
        return self.format(record)


class _ErrorStream(io.TextIOBase):
    """Standard error of a server's process: what is printed takes the way of the log."""

    def __init__(self) -> None:
        self._begun = ""

    def writable(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Return the descriptor that the lines go to."""
        return STANDARD_ERROR

    def isatty(self) -> bool:
        """Return whether a terminal shows the lines."""
        return os.isatty(STANDARD_ERROR)

    def write(self, text: str) -> int:
        """Queue each complete line."""
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            writer.put(scrub(line))
        return len(text)


def take_over() -> None:
    """Send what a server's process prints, and its uncaught exceptions, the way of the log lines."""
    sys.stderr = _ErrorStream()
    sys.excepthook = _uncaught
    threading.excepthook = lambda args: _uncaught(args.exc_type, args.exc_value, args.exc_traceback)
    sys.unraisablehook = lambda args: _uncaught(args.exc_type, args.exc_value, args.exc_traceback)


def _uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> Any:
    if issubclass(kind, SystemExit):
        return
    logging.getLogger("registry.uncaught").critical("uncaught", exc_info=(kind, error or kind(), trace))
