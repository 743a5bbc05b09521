"""The text of /metrics while it is rendered: shared by the processes of a server, and never of any age."""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from pathlib import Path

import pytest

from registry.telemetry.latest_text import LatestText
from registry.telemetry.processes import VARIABLE


@pytest.fixture(params=["memory", "directory"])
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    if request.param == "directory":
        monkeypatch.setenv(VARIABLE, str(tmp_path))
    return str(request.param)


@pytest.mark.usefixtures("place")
def test_while_a_text_is_rendered_no_reader_gets_one_that_is_too_old() -> None:
    numbers, may_end, began = itertools.count(), threading.Event(), threading.Event()

    def render() -> bytes:
        number = next(numbers)
        if number:
            began.set()
            may_end.wait(60)
        return str(number).encode()

    latest = LatestText(render)
    first = latest.get(60)
    with ThreadPoolExecutor(2) as pool:
        renders = pool.submit(latest.get, 0)
        assert began.wait(60)
        waits = pool.submit(latest.get, 0)
        wait_for([waits], timeout=0.3)  # in which it would return what there is
        may_end.set()
        answers = renders.result(60), waits.result(60)

    assert first == b"0"
    assert b"0" not in answers


def test_the_processes_of_a_server_share_one_text(place: str) -> None:
    one, other = (LatestText(itertools.cycle([name, name + b"+"]).__next__) for name in (b"a", b"b"))

    assert (one.get(60), other.get(60)) == ((b"a", b"a") if place == "directory" else (b"a", b"b"))
    one.renew_early(60)
    assert one.get(60) == b"a"  # not due
    assert one.get(0) == b"a+"


def test_a_text_from_before_a_reboot_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    (tmp_path / "metrics.text").write_bytes(b"\x00\x00\x00\x00\x00\x00\xf0\x7f" + b"old")  # infinity, then the text

    assert LatestText(lambda: b"new").get(60) == b"new"
