"""What only the local store promises: crashes, full disks, private files, and reading no more than was signed."""

from __future__ import annotations

import io
import os
import resource
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

import pytest

from registry.domain.errors import Forbidden, Malformed, NotFound, Unavailable, UploadExpired, UploadMismatch
from registry.storage.checked import Store
from registry.storage.driver import CHUNK
from registry.storage.local import LocalDriver
from tests.support.backends import SECRET, Blob
from tests.support.peak_memory import peak_memory

# A server that has stored half of an upload when it says "half", and then waits to be killed.
HALF_AN_UPLOAD = """
import signal, sys
from pathlib import Path
from registry.storage.local import LocalDriver

class Half:
    def read(self, limit):
        if self.__dict__.setdefault("sent", False):
            print("half", flush=True)
            signal.pause()
        self.sent = True
        return b"x" * min(limit, int(size) // 2)

root, secret, token, size = sys.argv[1:]
LocalDriver(Path(root), secret).receive(token, Half(), int(size))
"""


@pytest.fixture
def driver(tmp_path: Path) -> LocalDriver:
    return LocalDriver(tmp_path, SECRET)


def put_token(driver: LocalDriver, blob: Blob, *, seconds: float = 60) -> str:
    expires_at = datetime.now(UTC) + timedelta(seconds=seconds)
    return driver.sign_put(blob.key, sha256=blob.sha256, size=blob.size, expires_at=expires_at).url.rpartition("/")[2]


def get_token(driver: LocalDriver, blob: Blob, *, seconds: float = 60) -> str:
    expires_at = datetime.now(UTC) + timedelta(seconds=seconds)
    return driver.sign_get(blob.key, filename="model.bin", expires_at=expires_at).rpartition("/")[2]


def files_below(root: Path) -> list[str]:
    return sorted(path.name for path in root.rglob("*") if path.is_file())


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond *size*, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_server_killed_in_the_middle_of_an_upload_leaves_no_object(driver: LocalDriver, tmp_path: Path) -> None:
    blob = Blob(b"x" * (2 * CHUNK))
    token = put_token(driver, blob)

    command = [sys.executable, "-c", HALF_AN_UPLOAD, str(tmp_path), SECRET, token, str(blob.size)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "half\n"
        server.send_signal(signal.SIGKILL)

    assert len(files_below(tmp_path / "tmp")) == 1
    assert driver.stat(blob.key) is None
    driver.receive(token, io.BytesIO(blob.data), blob.size)
    assert b"".join(driver.read(blob.key)) == blob.data


def test_what_a_crash_left_is_swept_and_what_is_arriving_is_not(driver: LocalDriver, tmp_path: Path) -> None:
    old, new = tmp_path / "tmp" / "old", tmp_path / "tmp" / "new"
    old.parent.mkdir()
    for path in (old, new):
        path.write_bytes(b"half")
    yesterday = datetime.now(UTC) - timedelta(days=1)
    os.utime(old, (yesterday.timestamp(), yesterday.timestamp()))

    assert driver.sweep(before=datetime.now(UTC) - timedelta(hours=1)) == 1

    assert files_below(tmp_path) == ["new"]


def test_a_full_disk_is_unavailable_and_leaves_nothing(driver: LocalDriver, tmp_path: Path) -> None:
    blob = Blob(b"x" * (2 * CHUNK))
    token = put_token(driver, blob)

    with largest_file(CHUNK), pytest.raises(Unavailable) as refusal:
        driver.receive(token, io.BytesIO(blob.data), blob.size)

    assert refusal.value.retry_after == 5
    assert files_below(tmp_path) == []


@pytest.mark.parametrize("body", [b"wrong", b"righ", b""])
def test_bytes_that_were_not_announced_leave_nothing(driver: LocalDriver, tmp_path: Path, body: bytes) -> None:
    blob = Blob(b"right")

    with pytest.raises(UploadMismatch):
        driver.receive(put_token(driver, blob), io.BytesIO(body), blob.size)

    assert files_below(tmp_path) == []


def test_no_byte_is_read_beyond_the_signed_size(driver: LocalDriver) -> None:
    blob = Blob(b"right")
    stream: IO[bytes] = io.BytesIO(b"right and more")

    driver.receive(put_token(driver, blob), stream, blob.size)

    assert stream.tell() == blob.size


@pytest.mark.parametrize(("length", "error"), [(None, Malformed), (4, UploadMismatch), (6, UploadMismatch)])
def test_another_content_length_is_refused_before_any_byte_is_read(
    driver: LocalDriver, length: int | None, error: type[Exception]
) -> None:
    blob = Blob(b"right")
    stream = io.BytesIO(blob.data)

    with pytest.raises(error):
        driver.receive(put_token(driver, blob), stream, length)

    assert stream.tell() == 0


def test_large_objects_pass_in_constant_memory(driver: LocalDriver) -> None:
    blob = Blob(os.urandom(9 * CHUNK))
    token, body = put_token(driver, blob), io.BytesIO(blob.data)

    with peak_memory() as peak:
        driver.receive(token, body, blob.size)
        assert sum(len(chunk) for chunk in driver.read(blob.key)) == blob.size
        assert peak() < 5 * CHUNK


def test_an_expired_upload_is_distinguished_from_a_forged_one(driver: LocalDriver) -> None:
    blob = Blob(b"right")

    with pytest.raises(UploadExpired):
        driver.receive(put_token(driver, blob, seconds=-1), io.BytesIO(blob.data), blob.size)
    with pytest.raises(Forbidden):
        driver.receive("forged", io.BytesIO(blob.data), blob.size)


@pytest.mark.parametrize("token", ["", ".", "a.b", "\x00", "é", "." * 5000])
def test_a_token_of_garbage_is_forbidden(driver: LocalDriver, token: str) -> None:
    with pytest.raises(Forbidden):
        driver.serve(token)
    with pytest.raises(Forbidden):
        driver.receive(token, io.BytesIO(), 0)


def test_a_token_is_good_for_one_purpose_and_one_secret(driver: LocalDriver, tmp_path: Path) -> None:
    blob = Blob(b"right")
    driver.receive(put_token(driver, blob), io.BytesIO(blob.data), blob.size)

    with pytest.raises(Forbidden):
        driver.serve(put_token(driver, blob))
    with pytest.raises(Forbidden):
        driver.receive(get_token(driver, blob), io.BytesIO(blob.data), blob.size)
    with pytest.raises(Forbidden):
        LocalDriver(tmp_path, "another secret").serve(get_token(driver, blob))
    assert driver.serve(get_token(driver, blob)).path.read_bytes() == blob.data


def test_an_expired_or_dangling_download_is_refused(driver: LocalDriver) -> None:
    blob = Blob(b"never stored")

    with pytest.raises(Forbidden):
        driver.serve(get_token(driver, blob, seconds=-1))
    with pytest.raises(NotFound):
        driver.serve(get_token(driver, blob))


def test_files_are_private_whatever_the_umask(driver: LocalDriver, tmp_path: Path) -> None:
    blob = Blob(b"weights")
    umask = os.umask(0)
    try:
        driver.receive(put_token(driver, blob), io.BytesIO(blob.data), blob.size)
    finally:
        os.umask(umask)

    modes = {(path.is_dir(), stat.S_IMODE(path.stat().st_mode)) for path in tmp_path.rglob("*")}
    assert modes == {(True, 0o700), (False, 0o600)}


def test_a_directory_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "tmp").write_text("in the way")

    with pytest.raises(Unavailable, match="cannot write"):
        Store(LocalDriver(tmp_path, SECRET)).check()


def test_a_check_leaves_nothing_behind(driver: LocalDriver, tmp_path: Path) -> None:
    driver.check()

    assert files_below(tmp_path) == []


def test_a_store_that_vanished_is_unavailable(tmp_path: Path) -> None:
    blob, store = Blob(b"weights"), Store(LocalDriver(tmp_path / "gone", SECRET))
    driver = store.driver
    assert isinstance(driver, LocalDriver)

    with pytest.raises(Unavailable):
        store.receive(put_token(driver, blob), io.BytesIO(blob.data), blob.size)


def test_no_address_is_signed_with_an_empty_secret(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="secret"):
        LocalDriver(tmp_path, "")
