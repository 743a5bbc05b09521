"""A registry and a store on real sockets, with knobs for everything that can go wrong between them and a client."""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from werkzeug.wrappers import Request, Response

from registry.client import RegistryClient
from registry.rules.manifest import digest as manifest_digest
from tests.support.web_server import serving

TOKEN = "mrp_" + "a" * 50
DELIVERY = frozenset({"contents", "uploads", "create_model"})

Answer = Callable[[Request], Response | None]


@dataclass
class Site:
    """A web site that remembers its requests. ``answers`` are asked before ``respond``, each as long as it answers."""

    seen: list[Request] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    url: str = ""

    def __call__(self, environ: Any, start_response: Any) -> Any:
        request = Request(environ)
        request.get_data(cache=True)
        self.seen.append(request)
        return self._answer(request)(environ, start_response)

    def respond(self, request: Request) -> Response:
        return Response("nothing here", status=404)

    def requests(self, method: str, path: str = "") -> list[Request]:
        return [request for request in self.seen if request.method == method and path in request.path]

    def _answer(self, request: Request) -> Response:
        for answer in self.answers:
            if response := answer(request):
                return response
        return self.respond(request)


@dataclass
class FakeStore(Site):
    """Signed URLs, more or less: PUT and GET of ``/<sha256>``, with Range; PUT of ``/<sha256>/<part>``."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    parts: dict[str, dict[int, bytes]] = field(default_factory=dict)
    ranges: bool = True

    def respond(self, request: Request) -> Response:
        name, _, part = request.path.strip("/").partition("/")
        if request.method == "PUT" and part:
            return self._receive(name, int(part), request)
        if request.method == "PUT":
            self.blobs[name] = request.get_data()
            return Response(status=200)
        if name not in self.blobs:
            return Response("<Error><Code>NoSuchKey</Code></Error>", status=404)
        response = Response(self.blobs[name])
        return response.make_conditional(request, True, len(self.blobs[name])) if self.ranges else response

    def fetched(self, path: str = "") -> list[str]:
        """The ranges that were asked for, in order."""
        return [request.headers.get("Range", "all") for request in self.requests("GET", path)]

    def _receive(self, name: str, part: int, request: Request) -> Response:
        if name not in self.parts:
            return Response(status=404)
        content = request.get_data()
        if sha256(content) != request.headers["X-Signed"]:
            return Response(status=400)
        self.parts[name][part] = content
        return Response(status=200)


@dataclass
class FakeRegistry(Site):
    """One model with version 1, whose files are ``files``; what is registered is kept in ``registered``.

    ``takes`` are the fields of a registration about the delivery of its bytes that are not refused.
    """

    store: FakeStore = field(default_factory=FakeStore)
    files: dict[str, bytes] = field(default_factory=dict)
    listed: list[dict[str, Any]] | None = None
    known: set[str] = field(default_factory=set)
    model: dict[str, Any] | None = None
    part_size: int | None = None
    signs: bool = True
    sizes: dict[str, int] = field(default_factory=dict)
    states: list[str] = field(default_factory=list)
    takes: frozenset[str] = frozenset({"uploads", "create_model"})
    registered: dict[str, Any] = field(default_factory=dict)
    later: list[dict[str, Any]] = field(default_factory=list)  # versions after the first

    def hold(self, files: dict[str, bytes]) -> None:
        """Make *files* the files of version 1, with their bytes in the store."""
        self.files = files
        self.store.blobs.update({sha256(content): content for content in files.values()})

    def manifest(self) -> list[dict[str, Any]]:
        return [
            {"path": path, "size": len(content), "sha256": sha256(content), "media_type": "application/octet-stream"}
            for path, content in sorted(self.files.items())
        ]

    def version(self) -> dict[str, Any]:
        files = self.manifest() if self.listed is None else self.listed
        digest = manifest_digest(files)
        facts = {"file_count": len(files), "manifest_digest": digest, "stage": "staging", "state": "ready"}
        return {"model": "fraud", "number": 1, **facts}

    def respond(self, request: Request) -> Response:
        match request.method, request.path.removeprefix("/api/v1").strip("/").split("/"):
            case "POST", ["uploads", "batch"]:
                return reply({"items": [self._begin(item) for item in request.get_json()["uploads"]]})
            case "POST", ["uploads", "batch", "complete"]:
                return reply({"items": [self._complete(digest) for digest in request.get_json()["ids"]]})
            case "GET", ["uploads", digest]:
                done = digest in self.known
                target = None if done or digest in self.store.parts else self._target(digest, fresh=True)
                return reply(upload(digest, "verified" if done else "pending", target=target))
            case "GET", ["uploads", digest, "parts"]:
                return self._parts(digest)
            case "POST", ["uploads", digest, "parts"]:
                return self._sign(digest, request.get_json()["parts"])
            case "POST", ["uploads", digest, "complete"]:
                return self._join(digest)
            case "GET", ["models", "fraud"]:
                return reply(self.model) if self.model else problem(404, "not_found", "There is no model fraud.")
            case "POST", ["models"]:
                self.model = request.get_json()
                return reply({"name": "fraud"}, status=201)
            case "POST", ["models", "fraud", "versions"]:
                return self._register(request.get_json())
            case "GET", ["models", "fraud", "versions", *number] if len(number) <= 1:
                return self._versions(number)
            case "GET", ["models", "fraud", "versions", "1", "files"]:
                files = self.manifest() if self.listed is None else self.listed
                return reply({"items": self._signed(files, request), "next_cursor": None})
            case "GET", ["models", "fraud", "versions", "1", "files", *parts]:
                return Response(status=302, headers={"Location": f"{self.store.url}/{self._digest('/'.join(parts))}"})
        return problem(404, "not_found", f"There is no {request.path}.")

    def _register(self, body: dict[str, Any]) -> Response:
        if refused := DELIVERY & body.keys() - self.takes:
            return problem(422, "invalid", "Unknown field.", errors={name: ["Unknown field."] for name in refused})
        self.store.blobs |= {digest: b64decode(content) for digest, content in body.get("contents", {}).items()}
        for completed in map(self._complete, body.get("uploads", [])):
            if completed["state"] != "verified":
                return problem(409, "conflict", f"The upload {completed['id']}: {completed['reason']}")
        if body.get("create_model"):
            self.model = self.model or {"name": "fraud"}
        self.registered = {name: value for name, value in body.items() if name not in DELIVERY}
        return reply({"created": True, "version": self.version()}, status=201)

    def _versions(self, number: list[str]) -> Response:
        """Return the versions, newest first; with a *number* that one."""
        versions = [*self.later, self.version()]
        if not number:
            return reply({"items": versions, "next_cursor": None})
        found = [one for one in versions if str(one["number"]) == number[0]]
        return reply(found[0]) if found else problem(404, "not_found", f"There is no version {number[0]}.")

    def _begin(self, body: Any) -> dict[str, Any]:
        digest = body["sha256"]
        if digest in self.known:
            return upload(None, "verified")
        if self.part_size is not None and body["size"] > self.part_size:
            self.sizes[digest] = body["size"]
            self.store.parts.setdefault(digest, {})
            return upload(digest, "pending", part_size=self.part_size)
        return upload(digest, "pending", target=self._target(digest))

    def _complete(self, digest: str) -> dict[str, Any]:
        if digest not in self.store.blobs:
            return upload(digest, "pending", reason="Nothing has arrived.")
        self.known.add(digest)
        return upload(digest, "verified")

    def _parts(self, digest: str) -> Response:
        if digest in self.known:
            return problem(409, "conflict", "The upload is verified.")
        finished = sorted(self.store.parts[digest])
        return reply({"part_size": self.part_size, "part_count": self._count(digest), "finished": finished})

    def _sign(self, digest: str, parts: list[dict[str, Any]]) -> Response:
        if digest in self.known:
            return problem(409, "conflict", "The upload is verified.")
        fresh = "?fresh=1" if len(parts) == 1 else ""
        signed = [
            {
                "number": part["number"],
                "size": 0,
                "target": {
                    "method": "PUT",
                    "url": f"{self.store.url}/{digest}/{part['number']}{fresh}",
                    "headers": {"X-Signed": part["sha256"]},
                },
            }
            for part in parts
        ]
        return reply({"items": signed})

    def _join(self, digest: str) -> Response:
        if digest in self.known:
            return reply(upload(digest, "verified"))
        parts = self.store.parts[digest]
        if missing := [number for number in range(1, self._count(digest) + 1) if number not in parts]:
            return problem(409, "conflict", "Parts are missing.", missing_parts=missing)
        self.store.blobs[digest] = b"".join(parts[number] for number in sorted(parts))
        del self.store.parts[digest]
        self.known.add(digest)
        return reply(upload(digest, "verified"))

    def _count(self, digest: str) -> int:
        assert self.part_size is not None
        return -(-self.sizes[digest] // self.part_size)

    def _signed(self, files: list[dict[str, Any]], request: Request) -> list[dict[str, Any]]:
        if not self.signs or request.args.get("signed") != "true":
            return files
        return [{**file, "url": f"{self.store.url}/{file['sha256']}"} for file in files]

    def _target(self, digest: str, *, fresh: bool = False) -> dict[str, Any]:
        query = "?fresh=1" if fresh else ""
        return {"method": "PUT", "url": f"{self.store.url}/{digest}{query}", "headers": {"X-Signed": digest}}

    def _digest(self, path: str) -> str:
        listed = {file["path"]: file["sha256"] for file in self.listed or self.manifest()}
        return str(listed[path])


def reply(body: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(json.dumps(body), status=status, headers=headers, content_type="application/json")


def upload(digest: str | None, state: str, **facts: Any) -> dict[str, Any]:
    """An upload as the registry tells of it."""
    return {"id": digest, "state": state, "reason": None, "part_size": None, "target": None, **facts}


def problem(status: int, code: str, detail: str, **extras: Any) -> Response:
    body = {"type": "about:blank", "title": code, "status": status, "code": code, "detail": detail, **extras}
    headers = {"X-Request-Id": "req-1"}
    return Response(json.dumps(body), status=status, headers=headers, content_type="application/problem+json")


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def once(response: Response) -> Answer:
    """The answer to one request; later ones are not answered by it."""
    left = [response]
    return lambda request: left.pop() if left else None


@pytest.fixture
def online() -> Iterator[Callable[[Site], Site]]:
    """Put a site on a socket of its own; it is reachable at its ``url`` until the test ends."""
    with ExitStack() as running:

        def start(site: Site) -> Site:
            site.url = running.enter_context(serving(site))
            return site

        yield start


@pytest.fixture
def store(online: Callable[[Site], Site]) -> FakeStore:
    site = FakeStore()
    online(site)
    return site


@pytest.fixture
def registry(online: Callable[[Site], Site], store: FakeStore) -> FakeRegistry:
    site = FakeRegistry(store=store)
    online(site)
    return site


@pytest.fixture
def client(registry: FakeRegistry) -> Iterator[RegistryClient]:
    with RegistryClient(registry.url, TOKEN, retries=2, retry_seconds=2) as connected:
        yield connected


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A directory with a small model in it."""
    directory = tmp_path / "model"
    (directory / "weights").mkdir(parents=True)
    (directory / "MLmodel").write_bytes(b"flavors: {}\n")
    (directory / "weights" / "model.bin").write_bytes(b"\x00\x01" * 1000)
    return directory
