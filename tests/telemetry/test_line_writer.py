"""The queue of log lines: it never blocks, it has a bound, and what is dropped is counted and reported."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from registry.telemetry import line_writer
from registry.telemetry.line_writer import RETRY_SECONDS, LineHandler, LineWriter
from tests.support.polling import eventually

LINE = "x" * 400


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    os.close(ends[0])


def read_all(end: int, found: bytearray) -> threading.Thread:
    def read() -> None:
        while piece := os.read(end, 65536):
            found.extend(piece)

    thread = threading.Thread(target=read)
    thread.start()
    return thread


def test_what_finds_no_room_is_dropped_counted_and_reported(pipe: tuple[int, int]) -> None:
    writer = LineWriter(pipe[1], most_bytes=100_000)
    for _ in range(1000):
        writer.put(LINE)
    lost, found = writer.lost, bytearray()
    reader = read_all(pipe[0], found)
    report = f"{lost} log lines were lost\n".encode()
    eventually(lambda: report in found, "a line says how many were lost")
    os.close(pipe[1])
    reader.join()

    assert 700 < lost < 1000
    assert found.count(b"\n") == 1000 - lost + 1
    assert writer.flush(60)


def test_lines_keep_their_order_and_come_whole(pipe: tuple[int, int]) -> None:
    writer, found = LineWriter(pipe[1]), bytearray()
    reader = read_all(pipe[0], found)
    for number in range(5000):
        writer.put(f"{number} {'é' * (number % 3000)}")
    assert writer.flush(60)
    os.close(pipe[1])
    reader.join()

    assert [line.split()[0] for line in found.decode().splitlines()] == [str(number) for number in range(5000)]


def test_a_pipe_that_another_process_made_non_blocking_loses_nothing(pipe: tuple[int, int]) -> None:
    os.set_blocking(pipe[1], False)
    writer, found = LineWriter(pipe[1]), bytearray()
    for _ in range(1000):
        writer.put(LINE)
    reader = read_all(pipe[0], found)
    assert writer.flush(60)
    os.close(pipe[1])
    reader.join()

    assert (found.count(b"\n"), writer.lost) == (1000, 0)


def test_a_closed_pipe_is_said_with_the_number_of_lost_lines_and_raises_nowhere() -> None:
    read_end, write_end = os.pipe()  # the writer tries as long as the process lives: its end stays open
    os.close(read_end)
    writer = LineWriter(write_end)
    writer.put(LINE)
    eventually(lambda: writer.lost == 1, "the line is lost")
    time.sleep(1.5 * RETRY_SECONDS)  # the writer tries to report the loss, fails, and must not count that line

    assert writer.problem() == "the log cannot be written: Broken pipe; 1 lines are lost"


def test_a_signal_handler_may_log_while_a_line_is_put(pipe: tuple[int, int]) -> None:
    writer, found = LineWriter(pipe[1]), bytearray()
    reader = read_all(pipe[0], found)
    before = signal.signal(signal.SIGALRM, lambda *_: writer.put("of the handler"))
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.0005)
    try:
        while found.count(b"of the handler") < 50:
            writer.put(LINE)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert writer.flush(60)
    os.close(pipe[1])
    reader.join()


def test_a_line_that_cannot_be_made_is_said_without_its_values(capfd: pytest.CaptureFixture[str]) -> None:
    report = line_writer.writer.report
    handler = LineHandler()
    handler.handle(logging.LogRecord("a.logger", logging.INFO, "a/file.py", 7, "%d", ("mrp_secret",), None))
    assert line_writer.writer.flush(60)
    line_writer.writer.report = report

    assert capfd.readouterr().err == "a log line of a.logger could not be formatted (file.py:7)\n"
