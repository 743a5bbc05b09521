"""HTTP to a tracking server that takes its time: whatever it does, waiting for it has an end."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from registry.domain.errors import Conflict, Unavailable
from registry.tracking.http_client import Link
from tests.support.https_server import Reply, running_https

HEAD = b"HTTP/1.1 200 OK\r\n"
PIECE_SECONDS = 0.02


@pytest.fixture
def dripping() -> Iterator[Dripping]:
    server = Dripping()
    yield server
    server.close()


class Dripping:
    """Answers every request with one endless or early ending, piece by piece."""

    def __init__(self) -> None:
        self.ear = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.ear.getsockname()[1]}"
        self.pieces: Iterable[bytes] = ()
        self.over = threading.Event()
        self.connections = 0
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def close(self) -> None:
        self.over.set()
        with suppress(OSError):
            socket.create_connection(self.ear.getsockname()).close()
        self.thread.join()
        self.ear.close()

    def next_request(self) -> bytes:
        """Wait for another request on the connection. Returns no bytes, which answer it."""
        self._caller.recv(65_536)
        return b""

    def _serve(self) -> None:
        while not self.over.is_set():
            caller, _ = self.ear.accept()
            self.connections += 1
            with closing(caller), suppress(OSError):
                caller.recv(65_536)
                self._caller = caller
                for piece in self.pieces:
                    caller.sendall(piece)
                    if self.over.wait(PIECE_SECONDS):
                        return


@pytest.mark.parametrize(
    ("start", "drip"),
    [
        (b"", b""),
        (b"", b"H"),
        (HEAD, b"X-A: b\r"),
        (HEAD + b"X-Endless: ", b"a"),
        (HEAD + b"Content-Length: 1000000\r\n\r\n", b"a"),
        (HEAD + b"Content-Length: 1000000\r\n\r\n", b""),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"0"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;x=", b"a"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX-Trailer: ", b"a"),
    ],
    ids=["silence", "status line", "headers", "one header", "body", "body that stops", "chunk size", "chunks",
         "chunk extension", "trailer"],
)  # fmt: skip
def test_an_answer_that_drips_is_given_up(dripping: Dripping, start: bytes, drip: bytes) -> None:
    dripping.pieces = itertools.chain([start], itertools.repeat(drip))
    link = Link(dripping.url, lambda: None, patience=0.3, pace=1000)

    with pytest.raises(Unavailable):
        b"".join(link.stream("x", "a file"))


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        HEAD + b"Content-Length: 5\r\n\r\nab",
        HEAD + b"Content-Length: -5\r\n\r\nab",
        HEAD + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\nab",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\nab",
        HEAD + b"X: y\r\n" * 1000 + b"\r\n",
    ],
    ids=["nothing", "half a line", "another protocol", "short", "negative", "5,000 digits", "short chunk", "no chunk",
         "many headers"],
)  # fmt: skip
def test_an_answer_that_breaks_off_is_never_taken_for_a_whole_one(dripping: Dripping, answer: bytes) -> None:
    dripping.pieces = [answer]
    link = Link(dripping.url, lambda: None, patience=60)

    with pytest.raises((Unavailable, Conflict)):
        b"".join(link.stream("x", "a file"))


def test_a_kept_connection_that_is_closed_when_it_is_used_again_is_replaced(dripping: Dripping) -> None:
    whole = HEAD + b"Content-Length: 1\r\n\r\na"
    link = Link(dripping.url, lambda: None, patience=60)

    def pieces() -> Iterator[bytes]:
        yield whole
        yield dripping.next_request()  # the second one, after which the server closes the connection

    dripping.pieces = pieces()
    first = b"".join(link.stream("x", "a file"))
    dripping.pieces = [whole]
    second = b"".join(link.stream("x", "a file"))

    assert (first, second, dripping.connections) == (b"a", b"a", 2)


def test_to_wait_for_an_answer_needs_no_thread(dripping: Dripping) -> None:
    before, waiting = set(threading.enumerate()), set[threading.Thread]()

    def pieces() -> Iterator[bytes]:
        for piece in (HEAD + b"Content-Length: 3\r\n\r\n", b"a", b"b", b"c"):
            waiting.update(threading.enumerate())  # while the client waits for the piece
            yield piece

    dripping.pieces = pieces()
    link = Link(dripping.url, lambda: None)

    assert b"".join(link.stream("x", "a file")) == b"abc"
    assert waiting <= before


def test_answers_over_tls_are_read_whole_and_given_up_where_they_drip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drip = Reply(itertools.chain([b"a"] * 2, _slowly(b"a")), announced=1_000_000)
    with running_https(tmp_path) as server:
        server.serve("/files/whole%20one?a=b", Reply(b"content"))
        server.serve("/files/drip", drip)
        stranger = Link(f"https://{server.place}/files", lambda: None, patience=60)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(server.certificate))
        link = Link(f"https://{server.place}/files/", lambda: "Bearer secret", patience=60)
        hasty = Link(f"https://{server.place}/files/", lambda: "Bearer secret", patience=0.3, pace=1000)

        assert b"".join(link.stream("whole one", "a file", {"a": "b"})) == b"content"
        with pytest.raises(Unavailable):
            b"".join(hasty.stream("drip", "a file"))
        with pytest.raises(Unavailable):
            b"".join(stranger.stream("whole one", "a file", {"a": "b"}))

    assert [headers["Authorization"] for _, headers in server.seen] == ["Bearer secret"] * 2


def _slowly(piece: bytes) -> Iterator[bytes]:
    while True:
        time.sleep(PIECE_SECONDS)  # the slow server under test
        yield piece


def test_steps_that_lead_out_of_the_address_are_not_asked_for(dripping: Dripping) -> None:
    with pytest.raises(Unavailable):
        Link(f"{dripping.url}/below", lambda: None).document("api/../x", "something")


def test_a_closed_port_is_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as ear:
        url = f"http://127.0.0.1:{ear.getsockname()[1]}"
    with pytest.raises(Unavailable):
        Link(url, lambda: None).document("x", "something")
