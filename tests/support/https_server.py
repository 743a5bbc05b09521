"""Give tests an HTTPS server whose every reply they decide; nobody but them trusts its certificate."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ADDRESS = "127.0.0.1"


@dataclass(frozen=True)
class Reply:
    """What to answer. ``body`` is sent piece by piece, and may take its time; ``announced`` is the Content-Length,
    by default of a body that is bytes; without one the connection's end is the body's."""

    body: bytes | Iterable[bytes] = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    announced: int | None = None


class HttpsServer:
    """``replies`` maps each path to its replies: the first request gets the first, the last is for all that follow."""

    def __init__(self, port: int, certificate: Path) -> None:
        self.place, self.certificate = f"{ADDRESS}:{port}", certificate
        self.replies: dict[str, Sequence[Reply]] = {}
        self.seen: list[tuple[str, dict[str, str]]] = []

    def serve(self, path: str, *replies: Reply) -> str:
        """Answer at *path*; returns its address."""
        self.replies[path] = replies
        return f"https://{self.place}{path}"

    def count(self, path: str) -> int:
        """How many requests there were for *path*."""
        return [seen for seen, _ in self.seen].count(path)

    def next(self, path: str, headers: Mapping[str, str]) -> Reply:
        """The reply to one more request."""
        replies = self.replies.get(path, [Reply(status=404)])
        reply = replies[min(self.count(path), len(replies) - 1)]
        self.seen.append((path, dict(headers)))
        return reply


@contextmanager
def running_https(directory: Path) -> Iterator[HttpsServer]:
    """Serve until the block ends; the certificate is kept in *directory*."""
    certificate, key = _certificate(directory)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with _Server((ADDRESS, 0), _Handler) as server:
        server.tls, server.script = context, HttpsServer(server.server_address[1], certificate)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.script
        finally:
            server.shutdown()
            thread.join()


class _Server(ThreadingHTTPServer):
    script: HttpsServer
    tls: ssl.SSLContext

    def finish_request(self, request: Any, client_address: Any) -> None:
        with self.tls.wrap_socket(request, server_side=True) as secured:
            super().finish_request(secured, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that are killed, or trust nobody, hang up."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        reply = self.server.script.next(self.path, dict(self.headers))
        whole = reply.body if isinstance(reply.body, bytes) else None
        announced = len(whole) if whole is not None and reply.announced is None else reply.announced
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if announced is not None:
            self.send_header("Content-Length", str(announced))
        self.end_headers()
        for piece in reply.body if whole is None else [whole]:
            self.wfile.write(piece)  # type: ignore[arg-type]  # pieces are bytes in either case

    def log_message(self, *_: Any) -> None:
        """The requests are in ``seen``."""


def _certificate(directory: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a source for tests")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(ADDRESS))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = directory / "source.pem", directory / "source.key"
    files[0].write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    files[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, *plain))
    return files


@contextmanager
def listening() -> Iterator[socket.socket]:
    """A socket at which nobody is to knock: ``accept`` raises BlockingIOError while nobody has."""
    with socket.socket() as ear:
        ear.bind((ADDRESS, 0))
        ear.listen()
        ear.setblocking(False)
        yield ear
