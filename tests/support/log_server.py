"""A registry that has a sealed log and nothing else, over HTTP; it can serve what an honest one would not."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

from werkzeug.wrappers import Request, Response

from registry.rules.audit_log.tiles import HEIGHT, WIDTH, Tile
from registry.rules.audit_log.verification import SealedEntry
from tests.support.sealed_log import KEY, SealedLog, nodes_of


class LogServer:
    """What the server answers: ``note``, ``keys`` and the entries of ``log``, changed by ``spoil``.

    ``before_page`` is called before each page of entries. ``missing`` has beginnings of paths that lead nowhere,
    ``broken`` and ``failing`` those that are answered with 503 and 500. ``page`` is the number of entries in an answer.
    """

    def __init__(self, log: SealedLog) -> None:
        self.log = log
        self.note: bytes | None = log.note()
        self.keys = [str(KEY.verifier)]
        self.page = 100
        self.missing: list[str] = []
        self.broken: list[str] = []
        self.failing: list[str] = []
        self.spoil: Callable[[dict[str, Any]], dict[str, Any]] = dict
        self.before_page: Callable[[], None] = lambda: None
        self.requests: list[str] = []

    def __call__(self, environ: Any, start_response: Any) -> Any:
        request = Request(environ)
        self.requests.append(request.path)
        return self._answer(request)(environ, start_response)

    def publish(self) -> None:
        """Show the log as it is now."""
        self.note = self.log.note()

    def _answer(self, request: Request) -> Response:
        path = request.path
        if path.startswith(tuple(self.broken)):
            return _problem("unavailable", 503, "out of order")
        if path.startswith(tuple(self.failing)):
            return _problem("internal", 500, "something is wrong here")
        if path.startswith(tuple(self.missing)):
            return _problem("not_found", 404, "nothing is here")
        if path == "/audit/checkpoint" and self.note is not None:
            return Response(self.note, mimetype="text/plain")
        if path == "/audit/keys":
            return Response("".join(f"{key}\n" for key in self.keys), mimetype="text/plain")
        if path.startswith("/audit/tile/"):
            tile = self._tile(Tile.parse(path.removeprefix("/audit/tile/")))
            return Response(tile, mimetype="application/octet-stream")
        if path == "/api/v1/audit/sealed":
            return Response(json.dumps(self._page(request)), mimetype="application/json")
        return _problem("not_found", 404, "no checkpoint was published yet")

    def _tile(self, tile: Tile) -> bytes:
        node = nodes_of(self.log.leaves)
        first = tile.index * WIDTH
        return b"".join(node(HEIGHT * (tile.level or 0), index) for index in range(first, first + tile.width))

    def _page(self, request: Request) -> dict[str, Any]:
        self.before_page()
        start = request.args.get("after", -1, int) + 1
        entries = self.log.entries[start:][: self.page]
        end = start + len(entries)
        items = [self.spoil(_item(entry)) for entry in entries]
        return {"items": items, "next_after": end - 1, "more": end < len(self.log.entries)}


def _item(entry: SealedEntry) -> dict[str, Any]:
    def encoded(data: bytes) -> str:
        return base64.b64encode(data).decode()

    texts = {
        name: None if text is None else {"salt": encoded(text[0]), "text": text[1]}
        for name, text in entry.texts.items()
    }
    return {"position": entry.position, "body": encoded(entry.body), "texts": texts}


def _problem(code: str, status: int, detail: str) -> Response:
    document = {"type": "about:blank", "code": code, "status": status, "detail": detail}
    return Response(json.dumps(document), status, mimetype="application/problem+json")
