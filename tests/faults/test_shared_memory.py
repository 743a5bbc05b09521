"""The file system of the shared counts is full: the processes serve on, say so, and count again when there is room."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import requests

from tests.support.dev_server import Server, serving
from tests.support.full_disk import small_disk
from tests.support.polling import eventually

UNMATCHED = "registry_http_requests_total"


@contextmanager
def counting_on(disk: Path, folder: Path, *, replaceable: bool = False, **variables: str) -> Iterator[Server]:
    with (
        (folder / "log").open("ab") as log,
        serving(
            folder,
            log.fileno(),
            replaceable=replaceable,
            PROMETHEUS_MULTIPROC_DIR=str(disk / "counts"),
            **variables,
        ) as server,
    ):
        yield server


def fill(disk: Path) -> None:
    with pytest.raises(OSError, match="No space left"):
        (disk / "filler").write_bytes(bytes(4 * 1024 * 1024))


def ask_for_everything(server: Server) -> int:
    """Ask for each address that the API's description has; how many there are."""
    paths = [path for path, methods in server.get("/openapi.json").json()["paths"].items() if "get" in methods]
    for path in paths:
        server.get(re.sub("{[^}]*}", "1", path))
    return len(paths)


@pytest.mark.share(0)  # beside the file system that fills while a server runs
def test_a_server_that_starts_without_room_for_its_counts_serves_and_counts_later(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", size="2m") as disk:
        fill(disk)
        with counting_on(disk, tmp_path) as server:
            eventually(lambda: len(server.workers()) == 2, "both processes are there")
            workers = server.workers()
            answers = {server.get(f"/nothing/{number}").status_code for number in range(40)}
            said = server.readiness("metrics")
            told = server.metric("registry_metrics_incomplete")
            ask_for_everything(server)
            survivors = server.workers()
            (disk / "filler").unlink()
            eventually(lambda: all(server.readiness("metrics")[2] for _ in range(10)), "there is room")
            eventually(lambda: server.metric(UNMATCHED) > 40, "what was counted meanwhile is there")
            server.stop()

    assert (answers, said, told) == ({404}, (200, "degraded", False), 1)
    assert workers == survivors
    assert "metrics_degraded" in (tmp_path / "log").read_text()


def test_a_file_system_that_fills_while_serving_ends_no_process(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", size="2m") as disk, counting_on(disk, tmp_path) as server:
        eventually(lambda: len(server.workers()) == 2, "both processes are there")
        eventually(lambda: server.metric(UNMATCHED) > 0, "requests are counted")
        workers = server.workers()
        fill(disk)
        assert ask_for_everything(server) > 20  # more than the files have room for
        eventually(lambda: server.readiness("metrics") == (200, "degraded", False), "a process has no room")
        survivors, before = server.workers(), server.metric(UNMATCHED)
        (disk / "filler").unlink()
        eventually(lambda: server.metric(UNMATCHED) > before + 20, "the missing counts come")
        server.stop()

    assert workers == survivors


def test_processes_that_end_leave_no_files_behind_and_no_count_falls(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    with counting_on(tmp_path / "disk", tmp_path) as server:
        counts = []
        for _ in range(4):
            for number in range(10):
                server.get(f"/nothing/{number}")
            counts.append(server.metric(UNMATCHED))
            gone = min(server.workers())
            os.kill(gone, signal.SIGKILL)
            eventually(lambda gone=gone: len(server.workers() - {gone}) == 2, "the master replaces a worker")
            eventually(server.is_up, "the server answers")
        files = list((tmp_path / "disk" / "counts").glob("*.db"))
        server.stop()

    assert counts == sorted(counts)
    assert counts[-1] >= 40
    assert len(files) <= 3 * 3  # of two processes, and of one that began before another had ended


def test_a_directory_that_is_gone_costs_only_the_numbers(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    with counting_on(tmp_path / "disk", tmp_path) as server:
        (tmp_path / "disk" / "counts").rename(tmp_path / "elsewhere")
        answers = {server.get(path).status_code for path in ("/metrics", "/nothing", "/readyz")}
        server.stop()

    assert answers == {200, 404}


def test_counts_that_cannot_be_read_are_said_to_be_missing_and_the_others_are_there(tmp_path: Path) -> None:
    bad = tmp_path / "counts" / "counter_77.db"
    with counting_on(tmp_path, tmp_path) as server:
        assert server.get("/nothing").status_code == 404
        said = []
        for content in (b"\xff" * 4096, b"\x7f" * 4096, b"", b"\x40\0\0\0" + bytes(4092)):
            bad.write_bytes(content)
            said.append(server.metric("registry_metrics_incomplete"))
        counted = server.metric(UNMATCHED)
        bad.unlink()
        healed = server.metric("registry_metrics_incomplete")
        server.stop()

    assert (said, healed) == ([1] * 4, 0)
    assert counted > 0
    assert bad.name in (tmp_path / "log").read_text()


def test_a_server_that_takes_over_from_a_living_one_leaves_its_counts(tmp_path: Path) -> None:
    with counting_on(tmp_path, tmp_path, replaceable=True) as server:
        eventually(lambda: len(server.workers()) == 2, "both processes are there")
        for number in range(20):
            server.get(f"/nothing/{number}")
        before, workers = server.metric(UNMATCHED), server.workers()
        kept = {file: file.stat().st_ino for file in (tmp_path / "counts").glob("*.db")}
        server.process.send_signal(signal.SIGUSR2)
        eventually(
            lambda: sum("Booting worker" in line for line in (tmp_path / "log").read_text().splitlines()) >= 4,
            "the next server has its workers",
        )
        eventually(lambda: len(list((tmp_path / "counts").glob("counter_*.db"))) >= 4, "they count")
        after = server.metric(UNMATCHED)

    assert len(workers) == 2
    assert before >= 20
    assert after >= before
    assert kept.items() <= {file: file.stat().st_ino for file in (tmp_path / "counts").glob("*.db")}.items()


def test_no_count_falls_for_scrapers_that_reach_one_process_after_another(tmp_path: Path) -> None:
    with counting_on(tmp_path, tmp_path, REGISTRY_METRICS_CACHE_SECONDS="2") as server, ExitStack() as stack:
        eventually(lambda: len(server.workers()) == 2, "both processes are there")
        scrapers = []
        for stopped in server.workers():  # a connection stays with the process that accepted it
            os.kill(stopped, signal.SIGSTOP)
            scrapers.append(stack.enter_context(requests.Session()))
            assert scrapers[-1].get(f"{server.url}/livez", timeout=60).ok
            os.kill(stopped, signal.SIGCONT)
        counts = []
        for number in range(40):
            server.get(f"/nothing/{number}")
            counts.append(server.metric(UNMATCHED, by=scrapers[number % 2]))
        server.stop()

    assert counts == sorted(counts)
