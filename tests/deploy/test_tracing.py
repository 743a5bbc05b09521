"""Traces from a real server with two workers to a real receiver of OTLP."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.polling import eventually
from tests.support.ports import free_port
from tests.support.processes import environment, serving

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@dataclass
class Receiver:
    """``spans`` are those that arrived, each with the process that made it."""

    url: str = ""
    spans: list[tuple[Any, int]] = field(default_factory=list)

    def named(self, name: str) -> list[Any]:
        return [span for span, _ in self.spans if span.name == name]

    def take(self, body: bytes) -> None:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            facts = {item.key: item.value for item in resource.resource.attributes}
            assert facts["service.name"].string_value == "model-registry"
            for scope in resource.scope_spans:
                self.spans += [(span, facts["process.pid"].int_value) for span in scope.spans]


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            receiver.take(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()


def test_requests_are_traced_from_each_worker_and_continue_their_callers_trace(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with receiving() as receiver:
        traced = environment(
            REGISTRY_TRACING="true", OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url, OTEL_BSP_SCHEDULE_DELAY="100",
            REGISTRY_LOG_FORMAT="json", REGISTRY_WORKERS="2",
        )  # fmt: skip
        arguments = ("--dev", "--bind", f"127.0.0.1:{port}")
        with serving(*arguments, cwd=tmp_path, env=traced, url=url) as log:
            requests.get(f"{url}/api/v1/models/fraud", headers={"traceparent": f"00-{TRACE}-{PARENT}-01"}, timeout=60)
            requests.post(f"{url}/api/v1/models", json={"name": "churn"}, timeout=60).raise_for_status()

            def both() -> bool:
                requests.get(f"{url}/api/v1/models", timeout=60)
                known = receiver.named("GET /api/v1/models/<model:model>"), receiver.named("POST /api/v1/models")
                return all(known) and len({pid for _, pid in receiver.spans}) == 2

            eventually(both, "each worker has sent spans, and those of the first requests came")
        logged = log.read_text()

    name = "GET /api/v1/models/<model:model>"
    (span,) = receiver.named(name)
    facts = {item.key: item.value for item in span.attributes}
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, PARENT)
    assert (facts["http.response.status_code"].int_value, facts["registry.model"].string_value) == (404, "fraud")
    below = [child for child in receiver.named("SELECT") if child.parent_span_id == span.span_id]
    assert below
    assert all("fraud" not in str(child) for child in below)  # values are not told
    (writing,) = receiver.named("POST /api/v1/models")
    written = [child for child in receiver.named("INSERT") if child.parent_span_id == writing.span_id]
    assert len(written) >= 2  # the model and its audit entry, which are sent in a batch
    assert f'"trace_id": "{TRACE}"' in logged
    assert not receiver.named("GET /readyz")
