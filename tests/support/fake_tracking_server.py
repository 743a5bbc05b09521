"""Give tests an upstream tracking server whose every answer they decide, and which knows a model if left alone."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

RUN, MODEL = "a" * 31 + "1", "m-" + "b" * 32
PROXY = "/api/2.0/mlflow-artifacts/artifacts"
MLMODEL = b"""flavors:
  python_function: {loader_module: mlflow.sklearn, python_version: 3.11.7}
  sklearn: {sklearn_version: 1.9.1}
signature:
  inputs: '[{"type": "double", "name": "a"}]'
  outputs: null
  params: null
"""


@dataclass(frozen=True)
class Answer:
    """``body`` goes out piece by piece when it is no bytes; ``announced`` is the Content-Length, None for none."""

    body: bytes | Iterable[bytes] = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    announced: int | None = -1


Query = Mapping[str, str]
Knob = Callable[[Query], Answer]


class FakeTrackingServer:
    """``files`` are those of the logged model ``MODEL``, which comes from ``RUN``; ``knobs`` answer in its place.

    While ``sending`` is cleared no request for files is answered.
    """

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.sending = threading.Event()
        self.seen: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.reset()

    def reset(self) -> None:
        """Forget what tests have changed."""
        self.sending.set()
        self.seen.clear()
        self.headers.clear()
        self.files: dict[str, bytes] = {"MLmodel": MLMODEL, "data/model.pkl": b"p" * 100, "requirements.txt": b"a==1\n"}
        self.knobs: dict[str, Knob] = {}
        self.root = f"mlflow-artifacts:/1/models/{MODEL}/artifacts"
        self.model: dict[str, Any] = {
            "info": {"model_id": MODEL, "name": "model", "artifact_uri": self.root, "source_run_id": RUN},
            "data": {
                "params": pairs(C="0.5"),
                "metrics": [{"key": "auc", "value": 0.5}, {"key": "loss", "value": 0.0}],
            },
        }
        self.run: dict[str, Any] = {
            "info": {"run_id": RUN, "experiment_id": "1", "artifact_uri": f"mlflow-artifacts:/1/{RUN}/artifacts",
                     "start_time": 1795290951922, "end_time": 1795290960568},
            "data": {"params": pairs(C="0.5", depth="3"), "tags": pairs(team="risk"),
                     "metrics": [{"key": "auc", "value": 0.5}, {"key": "loss", "value": "NaN"}]},
            "inputs": {"dataset_inputs": [{
                "tags": [{"key": "mlflow.data.context", "value": "training"}],
                "dataset": {"name": "train-set", "digest": "c104914c", "source": '{"uri": "s3://b/train"}',
                            "schema": '{"mlflow_colspec": []}', "profile": '{"num_rows": 4}'},
            }]},
            "outputs": {"model_outputs": [{"model_id": MODEL, "step": 0}]},
        }  # fmt: skip

    def answer(self, address: str) -> Answer:
        """What the server says to one request."""
        parts = urlsplit(address)
        path = unquote(parts.path)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        for prefix, knob in self.knobs.items():
            if path.startswith(prefix):
                return knob(query)
        if path == f"/api/2.0/mlflow/logged-models/{MODEL}":
            return document({"model": self.model})
        if path == "/api/2.0/mlflow/runs/get" and query.get("run_id") == RUN:
            return document({"run": self.run})
        self.sending.wait(60)
        place = f"1/models/{MODEL}/artifacts"
        if path == PROXY:
            within = (query["path"] + "/").removeprefix(f"{place}/")
            inside = query["path"] == place or query["path"].startswith(f"{place}/")
            return document({"files": listing(self.files, within) if inside else []})
        if (content := self.files.get(path.removeprefix(f"{PROXY}/{place}/"))) is not None:
            return Answer(content)
        return Answer(b'{"error_code": "RESOURCE_DOES_NOT_EXIST"}', status=404)

    def set(self, prefix: str, *answers: Answer) -> None:
        """Answer so below *prefix*: each answer once, the last from then on."""
        left = list(answers)
        self.knobs[prefix] = lambda _: left.pop(0) if len(left) > 1 else left[0]


def document(found: Any, **options: Any) -> Answer:
    return Answer(json.dumps(found).encode(), **options)


def pairs(**items: str) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in items.items()]


def listing(files: Mapping[str, bytes], within: str) -> list[dict[str, Any]]:
    """What stock says is in a directory: the last steps of the paths."""
    below = {path.removeprefix(within): len(content) for path, content in files.items() if path.startswith(within)}
    found = [{"path": name, "is_dir": False, "file_size": size} for name, size in below.items() if "/" not in name]
    directories = sorted({name.partition("/")[0] for name in below if "/" in name})
    return [*found, *({"path": name, "is_dir": True} for name in directories)]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@contextmanager
def running_tracking_server() -> Iterator[FakeTrackingServer]:
    """Serve until the block ends."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.upstream = FakeTrackingServer(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.upstream
        finally:
            server.shutdown()
            thread.join()


class _Server(ThreadingHTTPServer):
    upstream: FakeTrackingServer
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that have had enough hang up."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # a body that follows its headers would wait for the client's delayed ACK

    def do_GET(self) -> None:
        upstream = self.server.upstream
        upstream.seen.append(self.path)
        upstream.headers.append(dict(self.headers))
        answer = upstream.answer(self.path)
        whole = answer.body if isinstance(answer.body, bytes) else None
        announced = len(whole) if whole is not None and answer.announced == -1 else answer.announced
        self.close_connection = whole is None or announced != len(whole)
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if announced is not None and announced >= 0:
            self.send_header("Content-Length", str(announced))
        self.end_headers()
        for piece in answer.body if whole is None else [whole]:
            self.wfile.write(piece)  # type: ignore[arg-type]  # pieces are bytes in either case

    def log_message(self, *_: Any) -> None:
        """The requests are in ``seen``."""
