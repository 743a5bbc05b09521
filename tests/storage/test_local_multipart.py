"""What only the local store promises of objects in parts: crashes, many processes, full disks, and late senders."""

from __future__ import annotations

import hashlib
import io
import os
import resource
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

import pytest

from registry.domain.errors import NotFound, Unavailable, UploadMismatch
from registry.storage.checked import Store
from registry.storage.driver import CHUNK, Full, Missing, Part
from registry.storage.local import LocalDriver
from tests.support.backends import SECRET, Blob
from tests.support.full_disk import small_disk
from tests.support.peak_memory import peak_memory

SIZE = 2 * CHUNK

# A server that takes a part from its standard input, byte by byte as they come, and says when it is done.
RECEIVING = """
import sys
from pathlib import Path
from registry.storage.local import LocalDriver

root, secret, token, size = sys.argv[1:]

class Telling:
    def read(self, limit):
        print("reading", flush=True)
        return sys.stdin.buffer.read1(limit)

LocalDriver(Path(root), secret).receive(token, Telling(), int(size))
print("done", flush=True)
"""

# The same, but it says "copying" when the verified part is about to be brought to its place, and waits there.
COPYING = """
import os, signal, sys

def copying(*_):
    print("copying", flush=True)
    signal.pause()

os.copy_file_range = copying
""" + RECEIVING.replace('print("reading", flush=True)', "pass")

# A server that joins an upload, and is killed when the object has its name, before the upload is removed.
JOINING = """
import os, signal, sys
from pathlib import Path
from registry.storage import local_multipart
from registry.storage.local import LocalDriver

root, secret, key, handle = sys.argv[1:]
unlink = Path.unlink

def dying(self, missing_ok=False):
    if self.name == "upload.json":
        os.kill(os.getpid(), signal.SIGKILL)
    unlink(self, missing_ok)

Path.unlink = dying
LocalDriver(Path(root), secret).join_parts(key, handle)
"""


@pytest.fixture
def driver(tmp_path: Path) -> LocalDriver:
    return LocalDriver(tmp_path, SECRET)


def begun(driver: LocalDriver, blob: Blob, *, part_size: int = SIZE) -> str:
    return driver.begin_parts(blob.key, size=blob.size, part_size=part_size)


def token(driver: LocalDriver, blob: Blob, handle: str, data: bytes, *, number: int = 1) -> str:
    sha256, later = hashlib.sha256(data).hexdigest(), datetime.now(UTC) + timedelta(minutes=1)
    target = driver.sign_part(blob.key, handle, number, sha256=sha256, size=len(data), expires_at=later)
    return target.url.rpartition("/")[2]


def send(driver: LocalDriver, blob: Blob, handle: str, data: bytes, *, number: int = 1) -> None:
    driver.receive(token(driver, blob, handle, data, number=number), io.BytesIO(data), len(data))


def content(driver: LocalDriver, blob: Blob) -> bytes:
    return b"".join(driver.read(blob.key))


def files_below(root: Path) -> list[str]:
    return sorted(path.name for path in root.rglob("*") if path.is_file())


@contextmanager
def server(program: str, *arguments: object) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(process: subprocess.Popen[bytes], word: bytes) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == word + b"\n"


def feed(process: subprocess.Popen[bytes], data: bytes) -> None:
    assert process.stdin is not None
    process.stdin.write(data)
    process.stdin.flush()


def test_a_server_killed_while_a_part_arrives_leaves_it_absent(driver: LocalDriver, tmp_path: Path) -> None:
    blob = Blob(os.urandom(SIZE))
    handle = begun(driver, blob)

    with server(RECEIVING, tmp_path, SECRET, token(driver, blob, handle, blob.data), SIZE) as process:
        wait_for(process, b"reading")
        feed(process, blob.data[:1000])
        wait_for(process, b"reading")
        process.send_signal(signal.SIGKILL)

    assert driver.parts(blob.key, handle) == []
    send(driver, blob, handle, blob.data)
    driver.join_parts(blob.key, handle)
    assert content(driver, blob) == blob.data


def test_a_server_killed_while_a_part_is_replaced_leaves_it_absent_and_no_request_waiting(
    driver: LocalDriver, tmp_path: Path
) -> None:
    blob = Blob(os.urandom(SIZE))
    handle, other = begun(driver, blob), os.urandom(SIZE)
    send(driver, blob, handle, other)

    with server(COPYING, tmp_path, SECRET, token(driver, blob, handle, blob.data), SIZE) as process:
        feed(process, blob.data)
        wait_for(process, b"copying")
        process.send_signal(signal.SIGKILL)

    assert driver.parts(blob.key, handle) == []
    send(driver, blob, handle, blob.data)
    driver.join_parts(blob.key, handle)
    assert content(driver, blob) == blob.data


def test_a_server_killed_in_the_middle_of_a_join_has_joined(driver: LocalDriver, tmp_path: Path) -> None:
    blob = Blob(b"right")
    handle = begun(driver, blob)
    send(driver, blob, handle, blob.data)
    late = token(driver, blob, handle, b"wrong")

    with server(JOINING, tmp_path, SECRET, blob.key, handle) as process:
        assert process.wait(60) == -signal.SIGKILL

    with pytest.raises(Missing):
        driver.parts(blob.key, handle)
    with pytest.raises(Missing):
        driver.join_parts(blob.key, handle)
    with pytest.raises(NotFound):
        driver.receive(late, io.BytesIO(b"wrong"), 5)
    assert content(driver, blob) == b"right"
    assert driver.sweep(before=datetime.now(UTC) + timedelta(minutes=1)) == 1
    assert files_below(tmp_path / "parts") == []
    assert content(driver, blob) == b"right"


def test_two_processes_that_receive_one_part_at_once_leave_one_whole(driver: LocalDriver, tmp_path: Path) -> None:
    blob = Blob(os.urandom(SIZE))
    handle, other = begun(driver, blob), os.urandom(SIZE)
    arguments = [(token(driver, blob, handle, data), data) for data in (blob.data, other)]

    with (
        server(RECEIVING, tmp_path, SECRET, arguments[0][0], SIZE) as one,
        server(RECEIVING, tmp_path, SECRET, arguments[1][0], SIZE) as two,
    ):
        for process, (_, data) in zip((one, two), arguments, strict=True):
            wait_for(process, b"reading")
            feed(process, data[:-1])
        for process, (_, data) in zip((one, two), arguments, strict=True):
            feed(process, data[-1:])
        for process in (one, two):
            assert process.communicate(timeout=60)[0].endswith(b"done\n")

    assert driver.parts(blob.key, handle) == [Part(1, SIZE)]
    driver.join_parts(blob.key, handle)
    assert content(driver, blob) in {blob.data, other}


def test_parts_that_arrive_while_others_join_change_no_object(driver: LocalDriver) -> None:
    blob = Blob(b"r" * SIZE)
    handle, wrong = begun(driver, blob), b"w" * SIZE
    send(driver, blob, handle, blob.data)
    refused: list[Exception] = []
    started = threading.Event()

    def keep_sending() -> None:
        while not refused:
            try:
                send(driver, blob, handle, wrong)
            except NotFound as error:
                refused.append(error)
            started.set()

    thread = threading.Thread(target=keep_sending)
    thread.start()
    started.wait()
    driver.join_parts(blob.key, handle)
    joined = content(driver, blob)
    thread.join()

    assert joined in {blob.data, wrong}
    assert content(driver, blob) == joined


def test_the_sender_of_a_part_whose_upload_has_ended_is_refused(driver: LocalDriver, tmp_path: Path) -> None:
    blob = Blob(b"right")
    handle = begun(driver, blob)

    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            driver.abort_parts(blob.key, handle)
            return super().read(size)

    with pytest.raises(NotFound, match="no longer under way"):
        driver.receive(token(driver, blob, handle, blob.data), Slow(blob.data), blob.size)

    assert files_below(tmp_path) == []


def test_no_byte_is_read_for_an_upload_that_has_ended_or_a_part_that_does_not_fit(driver: LocalDriver) -> None:
    blob = Blob(b"right")
    ended, handle = begun(driver, blob), begun(driver, blob)
    driver.abort_parts(blob.key, ended)
    stream: IO[bytes] = io.BytesIO(b"right and more")

    with pytest.raises(NotFound):
        driver.receive(token(driver, blob, ended, blob.data), stream, 5)
    with pytest.raises(UploadMismatch):
        driver.receive(token(driver, blob, handle, b"right and more"), stream, 14)

    assert stream.tell() == 0


def test_a_join_takes_no_copy_and_leaves_only_the_object(driver: LocalDriver, tmp_path: Path) -> None:
    blob = Blob(os.urandom(SIZE + 1))
    handle = begun(driver, blob)
    for number in (1, 2):
        send(driver, blob, handle, blob.data[(number - 1) * SIZE : number * SIZE], number=number)
    inode = (tmp_path / "parts" / handle / "data").stat().st_ino

    driver.join_parts(blob.key, handle)

    assert (tmp_path / blob.key).stat().st_ino == inode
    assert files_below(tmp_path) == [blob.upload_id]
    assert list((tmp_path / "parts").iterdir()) == []


def test_an_object_is_as_old_as_its_join(driver: LocalDriver, tmp_path: Path) -> None:
    blob = Blob(b"right")
    handle = begun(driver, blob)
    send(driver, blob, handle, blob.data)
    long_ago = datetime(2020, 1, 1, tzinfo=UTC).timestamp()
    os.utime(tmp_path / "parts" / handle / "data", (long_ago, long_ago))

    driver.join_parts(blob.key, handle)

    assert next(driver.objects()).modified_at.timestamp() > long_ago


def test_uploads_and_their_parts_are_private_and_take_only_the_room_of_what_arrived(
    driver: LocalDriver, tmp_path: Path
) -> None:
    blob, size = Blob(b"weights"), 1024**4
    umask = os.umask(0)
    try:
        handle = driver.begin_parts(blob.key, size=size, part_size=CHUNK * 128)
    finally:
        os.umask(umask)

    modes = {(path.is_dir(), stat.S_IMODE(path.stat().st_mode)) for path in tmp_path.rglob("*")}
    data = (tmp_path / "parts" / handle / "data").stat()
    assert modes == {(True, 0o700), (False, 0o600)}
    assert (data.st_size, data.st_blocks) == (size, 0)


def test_remains_of_crashes_are_swept_and_uploads_under_way_are_not(driver: LocalDriver, tmp_path: Path) -> None:
    blob = Blob(b"right")
    handle, half = begun(driver, blob), tmp_path / "parts" / ("0" * 32)
    send(driver, blob, handle, blob.data)
    half.mkdir()
    (half / "data").write_bytes(b"half")

    assert driver.sweep(before=datetime.now(UTC) - timedelta(minutes=1)) == 0
    assert driver.sweep(before=datetime.now(UTC) + timedelta(minutes=1)) == 1

    assert not half.exists()
    assert driver.parts(blob.key, handle) == [Part(1, 5)]


@pytest.mark.parametrize("handle", ["", ".", "..", "../tmp", "0" * 31, "0" * 32, "A" * 32, f"{'0' * 32}/..", "\x00"])
def test_a_handle_that_is_none_is_missing(driver: LocalDriver, tmp_path: Path, handle: str) -> None:
    blob = Blob(b"weights")
    (tmp_path / "tmp").mkdir()

    with pytest.raises(Missing):
        driver.parts(blob.key, handle)
    driver.abort_parts(blob.key, handle)
    with pytest.raises(NotFound):
        send(driver, blob, handle, blob.data)

    assert (tmp_path / "tmp").is_dir()


def test_large_objects_are_written_and_parts_received_in_constant_memory(driver: LocalDriver) -> None:
    blob = Blob(os.urandom(9 * CHUNK))
    handle, body = begun(driver, blob, part_size=blob.size), io.BytesIO(blob.data)
    signed, chunks = (
        token(driver, blob, handle, blob.data),
        (blob.data[at : at + 1000] for at in range(0, blob.size, 1000)),
    )

    with peak_memory() as peak:
        driver.receive(signed, body, blob.size)
        driver.join_parts(blob.key, handle)
        Store(driver).write(Blob(blob.data).key, chunks, size=blob.size)
        assert peak() < 5 * CHUNK


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 12 MiB."""
    with small_disk(tmp_path / "small", size="12m") as home:
        yield home


@pytest.mark.parametrize("free", [1, 3], ids=["while it arrives", "while it is brought to its place"])
def test_a_full_disk_takes_no_part_and_keeps_those_that_arrived(disk: Path, free: int) -> None:
    driver, blob = LocalDriver(disk, SECRET), Blob(os.urandom(2 * SIZE))
    first, second = blob.data[:SIZE], blob.data[SIZE:]
    handle, filler = begun(driver, blob), disk / "filler"
    send(driver, blob, handle, first)
    filler.write_bytes(b"f" * ((10 - free) * CHUNK))

    for _ in range(2):
        with pytest.raises((Unavailable, Full)):
            send(driver, blob, handle, second, number=2)

    assert driver.parts(blob.key, handle) == [Part(1, SIZE)]
    assert files_below(disk / "tmp") == []
    filler.unlink()
    send(driver, blob, handle, second, number=2)
    driver.join_parts(blob.key, handle)
    assert content(driver, blob) == blob.data


def test_a_full_disk_begins_and_writes_nothing(disk: Path) -> None:
    blob, store = Blob(b"w" * SIZE), Store(LocalDriver(disk, SECRET))
    with pytest.raises(OSError, match="No space"):
        (disk / "filler").write_bytes(b"f" * (13 * CHUNK))

    for attempt in (
        lambda: store.begin_parts(blob.key, size=blob.size, part_size=SIZE),
        lambda: store.write(blob.key, [blob.data], size=blob.size),
    ):
        with pytest.raises(Unavailable):
            attempt()

    assert files_below(disk) == ["filler"]
    assert list(store.unfinished()) == []


def test_a_file_limit_refuses_a_large_upload_at_its_beginning(driver: LocalDriver, tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (CHUNK, before[1]))
    try:
        with pytest.raises(Unavailable):
            Store(driver).begin_parts(Blob(b"w").key, size=SIZE, part_size=SIZE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)

    assert files_below(tmp_path) == []
