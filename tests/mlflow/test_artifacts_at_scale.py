"""Bodies that are large, slow or broken off, over real connections and in constant memory; folders of many files."""

from __future__ import annotations

import io
import socket
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import insert

from registry.db.models import Artifact
from registry.db.session import transaction
from registry.domain import clock
from registry.domain.access import LOCAL_DEV
from tests.faults.conftest import StartFleet
from tests.support.artifact_area import AREA, ArtifactArea
from tests.support.peak_memory import peak_memory
from tests.support.polling import eventually
from tests.support.servers import Fleet
from tests.support.statement_counting import counting_statements

MIB = 1 << 20
sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


class Zeros(io.RawIOBase):
    """A body of so many zero bytes, none of which is held."""

    def __init__(self, size: int) -> None:
        self.size, self.at = size, 0

    def readinto(self, buffer: Any) -> int:
        found = min(len(buffer), self.size - self.at)
        buffer[:found] = bytes(found)
        self.at += found
        return found

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self.at = {io.SEEK_SET: 0, io.SEEK_CUR: self.at, io.SEEK_END: self.size}[whence] + offset
        return self.at


@sqlite
def test_a_large_file_is_received_in_constant_memory(artifact_area: ArtifactArea) -> None:
    artifact_area.put("warm", b"x")

    with peak_memory() as peak:
        sent = artifact_area("PUT", f"{AREA}/artifacts/large", input_stream=Zeros(200 * MIB))
        most = peak()

    assert sent.status_code == 200, sent.get_data(as_text=True)
    assert artifact_area.listed() == {"large": 200 * MIB, "warm": 1}
    assert most < 12 * MIB


def send(fleet: Fleet, head: str, body: bytes) -> bytes:
    """Send a request as it is written, close the sending side, and return what comes back."""
    with socket.create_connection(("127.0.0.1", fleet.server.port), timeout=60) as connection:
        head = f"{head}\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {fleet.token}\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode() + body)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
        return answer


@sqlite
@pytest.mark.parametrize(
    ("framing", "body"),
    [
        ("Content-Length: 1000", b"x" * 999),
        ("Transfer-Encoding: chunked", b"a\r\n0123456789\r\n"),
        ("Transfer-Encoding: chunked", b"a\r\n01234"),
        ("Transfer-Encoding: chunked", b"zz\r\n01234"),
    ],
    ids=["length", "between chunks", "within a chunk", "no chunk"],
)
def test_a_body_that_breaks_off_leaves_what_was_there(start: StartFleet, framing: str, body: bytes) -> None:
    fleet = start()
    path = f"{AREA}/artifacts/a/b"
    before = send(fleet, f"PUT {path} HTTP/1.1\r\nContent-Length: 6", b"before")

    answer = send(fleet, f"PUT {path} HTTP/1.1\r\n{framing}", body)
    after = send(fleet, f"GET {path} HTTP/1.1", b"")

    assert before.startswith(b"HTTP/1.1 200")
    assert not answer or answer.split()[1].startswith(b"4"), answer
    assert after.endswith(b"\r\n\r\nbefore")
    eventually(lambda: len(fleet.objects()) == 1, "nothing is left of the body")
    assert "internal_error" not in fleet.server.events()


@sqlite
def test_a_body_without_a_length_is_an_empty_file(start: StartFleet) -> None:
    fleet = start()

    answer = send(fleet, f"PUT {AREA}/artifacts/empty HTTP/1.1", b"")
    listed = send(fleet, f"GET {AREA}/artifacts?path= HTTP/1.1", b"")

    assert answer.startswith(b"HTTP/1.1 200")
    assert b'"file_size":0' in listed.replace(b" ", b"")


def test_the_top_of_many_files_is_one_statement_that_brings_few_rows(app: Flask, artifact_area: ArtifactArea) -> None:
    rows = [
        {"path": f"{number % 4}/run{number % 50}/artifacts/file{number}", "sha256": "ab" * 32, "size": number,
         "media_type": "text/plain", "created_at": clock.now(), "created_by": LOCAL_DEV.id}
        for number in range(20_000)
    ]  # fmt: skip
    with app.app_context(), transaction() as session:
        session.execute(insert(Artifact), rows)
    artifact_area.listed()

    with counting_statements(app) as seen, peak_memory() as peak:
        top = artifact_area.listed()
        most = peak()
    deep = artifact_area.listed("1/run1/artifacts")

    assert top == {"0": None, "1": None, "2": None, "3": None}
    assert len([statement for statement in seen if "FROM artifacts" in statement]) == 1
    assert most < MIB
    assert len(deep) == 200
