from __future__ import annotations

import errno
import fcntl
import os
import random
from pathlib import Path

import pytest
from werkzeug.wrappers import Request, Response

from registry.client import RegistryClient, errors
from registry.client.files.directory import Directory
from registry.client.transfer.ranges import STEP
from tests.client.conftest import FakeRegistry, FakeStore, sha256

SIZE = 2 * STEP + 5_000_000
CONTENT = (random.Random(1).randbytes(1_000_003) * (SIZE // 1_000_000 + 1))[:SIZE]  # no two ranges are equal
WHOLE = sha256(CONTENT)
RANGES = [f"bytes={start}-{min(start + STEP, SIZE) - 1}" for start in range(0, SIZE, STEP)]


@pytest.fixture
def held(registry: FakeRegistry, store: FakeStore) -> FakeStore:
    """The store, which has version 1's one large file."""
    registry.hold({"weights/model.bin": CONTENT})
    return store


def unfinished(directory: Path, *numbers: int, content: bytes = CONTENT) -> None:
    """What an interrupted pull left: a partial file in which the ranges *numbers* are those of *content*."""
    partial = Directory(directory).partial("weights/model.bin", sha256=WHOLE, size=SIZE, step=STEP)
    for number in numbers:
        partial.write(content[number * STEP : (number + 1) * STEP], number * STEP)
        partial.note(number)
    partial.close()


def left(directory: Path) -> list[str]:
    """The names of all files in the directory."""
    return sorted(file.name for file in directory.rglob("*") if file.is_file())


def arrived(directory: Path) -> bytes:
    assert left(directory) == ["model.bin"]
    return (directory / "weights" / "model.bin").read_bytes()


@pytest.mark.parametrize("jobs", [1, 4])
def test_a_large_file_arrives_in_ranges(held: FakeStore, client: RegistryClient, tmp_path: Path, jobs: int) -> None:
    reports: list[tuple[str, int, int]] = []

    client.pull("fraud:1", tmp_path, jobs=jobs, progress=lambda *report: reports.append(report))

    assert arrived(tmp_path) == CONTENT
    assert sorted(held.fetched()) == sorted(RANGES)
    assert reports[-1] == ("download", SIZE, SIZE)


def test_ranges_that_an_interrupted_pull_finished_are_not_fetched_again(
    held: FakeStore, client: RegistryClient, tmp_path: Path
) -> None:
    unfinished(tmp_path, 0, 2)

    client.pull("fraud:1", tmp_path)

    assert arrived(tmp_path) == CONTENT
    assert held.fetched() == [RANGES[1]]


def test_a_file_of_which_all_ranges_are_there_is_only_verified(
    held: FakeStore, client: RegistryClient, tmp_path: Path
) -> None:
    unfinished(tmp_path, 0, 1, 2)

    client.pull("fraud:1", tmp_path)

    assert arrived(tmp_path) == CONTENT
    assert held.fetched() == []


def test_a_range_that_changed_on_disk_is_found_and_fetched_again(
    held: FakeStore, client: RegistryClient, tmp_path: Path
) -> None:
    unfinished(tmp_path, 0, 1, content=CONTENT[::-1])

    client.pull("fraud:1", tmp_path)

    assert arrived(tmp_path) == CONTENT
    assert held.fetched()[0] == RANGES[2]
    assert sorted(held.fetched()[1:]) == sorted(RANGES)


@pytest.mark.parametrize(
    "listed", [b"", b"1\n2\n", b"\xff" * 100, b"0\n" * 3, f"{'0' * 64} {SIZE} {STEP}\n0\n1\n2\n".encode()]
)
def test_a_list_of_ranges_that_is_another_files_is_ignored(
    held: FakeStore, client: RegistryClient, tmp_path: Path, listed: bytes
) -> None:
    unfinished(tmp_path, 0)
    next(tmp_path.rglob("*.ranges")).write_bytes(listed)

    client.pull("fraud:1", tmp_path)

    assert arrived(tmp_path) == CONTENT
    assert len(held.fetched()) == 3


def test_a_list_that_breaks_off_counts_up_to_its_last_whole_line(
    held: FakeStore, client: RegistryClient, tmp_path: Path
) -> None:
    unfinished(tmp_path, 0)
    with next(tmp_path.rglob("*.ranges")).open("ab") as file:
        file.write(b"2")

    client.pull("fraud:1", tmp_path)

    assert arrived(tmp_path) == CONTENT
    assert sorted(held.fetched()) == sorted(RANGES[1:])


@pytest.mark.parametrize("make", [os.symlink, os.link])
def test_a_link_in_place_of_an_unfinished_file_is_not_written_through(
    held: FakeStore, client: RegistryClient, tmp_path: Path, make: object
) -> None:
    (tmp_path / "victim").write_bytes(b"mine")
    unfinished(tmp_path / "out", 0)
    partial = next(file for file in (tmp_path / "out").rglob(".registry-*") if not file.name.endswith(".ranges"))
    partial.unlink()
    make(tmp_path / "victim", partial)  # type: ignore[operator]

    client.pull("fraud:1", tmp_path / "out")

    assert (tmp_path / "victim").read_bytes() == b"mine"
    assert arrived(tmp_path / "out") == CONTENT


def test_a_file_system_that_shows_another_owner_is_written_to_and_resumed(
    held: FakeStore, client: RegistryClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: other)  # so looks such a mount from here
    unfinished(tmp_path, 0)

    client.pull("fraud:1", tmp_path)

    assert arrived(tmp_path) == CONTENT
    assert sorted(held.fetched()) == sorted(RANGES[1:])


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_written_to_and_nothing_is_left_behind(
    held: FakeStore, client: RegistryClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def flock(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", flock)

    client.pull("fraud:1", tmp_path)

    assert arrived(tmp_path) == CONTENT
    assert list(tmp_path.rglob(".registry-*")) == []


def test_two_who_fetch_the_same_file_do_not_disturb_each_other(
    held: FakeStore, client: RegistryClient, tmp_path: Path
) -> None:
    other = Directory(tmp_path).partial("weights/model.bin", sha256=WHOLE, size=SIZE, step=STEP)

    client.pull("fraud:1", tmp_path)

    other.write(b"x" * STEP, 0)
    other.close()
    assert (tmp_path / "weights" / "model.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("jobs", [1, 4])
def test_a_store_without_ranges_sends_the_whole_once(
    held: FakeStore, client: RegistryClient, tmp_path: Path, jobs: int
) -> None:
    held.ranges = False

    client.pull("fraud:1", tmp_path, jobs=jobs)

    assert arrived(tmp_path) == CONTENT
    assert len(held.fetched()) <= jobs


def test_a_store_that_forgets_about_ranges_on_the_way_is_no_trouble(
    held: FakeStore, client: RegistryClient, tmp_path: Path
) -> None:
    held.answers.append(lambda request: Response(CONTENT) if request.headers.get("Range") == RANGES[1] else None)

    client.pull("fraud:1", tmp_path)

    assert arrived(tmp_path) == CONTENT


def test_a_flipped_byte_in_one_range_keeps_nothing(held: FakeStore, client: RegistryClient, tmp_path: Path) -> None:
    held.blobs[WHOLE] = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])

    with pytest.raises(errors.IntegrityError, match=r"^weights/model.bin: the bytes are not the registered ones"):
        client.pull("fraud:1", tmp_path)

    assert left(tmp_path) == []


@pytest.mark.parametrize("size", [SIZE - 1, SIZE + 1, STEP])
def test_a_file_of_another_size_keeps_nothing(
    held: FakeStore, client: RegistryClient, tmp_path: Path, size: int
) -> None:
    held.blobs[WHOLE] = (CONTENT + b"x")[:size]

    with pytest.raises((errors.IntegrityError, errors.UnexpectedReply), match=r"^weights/model.bin"):
        client.pull("fraud:1", tmp_path)

    assert "model.bin" not in left(tmp_path)


@pytest.mark.parametrize("status", [403, 410, 503])
def test_a_range_that_fails_is_asked_for_with_a_fresh_url(
    registry: FakeRegistry, held: FakeStore, client: RegistryClient, tmp_path: Path, status: int
) -> None:
    refused: list[Request] = []

    def refuse(request: Request) -> Response | None:
        if request.headers.get("Range") != RANGES[1] or refused:
            return None
        refused.append(request)
        return Response(status=status)

    held.answers.append(refuse)

    client.pull("fraud:1", tmp_path)

    assert arrived(tmp_path) == CONTENT
    assert sorted(held.fetched()) == sorted([*RANGES, RANGES[1]])
    assert registry.requests("GET", "/files/weights/model.bin")


def test_a_pull_that_fails_is_gone_on_from(held: FakeStore, client: RegistryClient, tmp_path: Path) -> None:
    held.answers.append(lambda request: Response(status=503) if request.headers.get("Range") == RANGES[2] else None)
    with pytest.raises(errors.Unavailable, match=r"^weights/model.bin: the store at .* answered 503"):
        client.pull("fraud:1", tmp_path, jobs=1)
    held.answers.clear()
    held.seen.clear()

    client.pull("fraud:1", tmp_path)

    assert arrived(tmp_path) == CONTENT
    assert held.fetched() == [RANGES[2]]


def test_what_another_version_left_unfinished_is_swept_away(
    registry: FakeRegistry, held: FakeStore, client: RegistryClient, tmp_path: Path
) -> None:
    unfinished(tmp_path, 0)
    registry.hold({"weights/model.bin": b"small"})

    client.pull("fraud:1", tmp_path)

    assert arrived(tmp_path) == b"small"
