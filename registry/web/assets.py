"""Files of the pages: scripts and styles, at addresses that change with their content."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

from flask import Response
from werkzeug.exceptions import NotFound

from registry.http.access import public
from registry.web.addresses import url_for
from registry.web.blueprint import blueprint

FOLDER = Path(__file__).with_name("static")
TYPES = MappingProxyType(
    {
        ".js": "text/javascript; charset=utf-8",
        ".css": "text/css; charset=utf-8",
        ".svg": "image/svg+xml",
        ".LICENSE": "text/plain; charset=utf-8",
    }
)


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of the pages; ``tag`` is the beginning of its digest."""

    body: bytes
    content_type: str
    tag: str


@cache
def files() -> MappingProxyType[str, Asset]:
    """Return the files by their path below ``static``, read once in a process."""
    found = {}
    for path in sorted(FOLDER.rglob("*")):
        if path.suffix in TYPES:
            body = path.read_bytes()
            tag = hashlib.sha256(body).hexdigest()[:12]
            found[path.relative_to(FOLDER).as_posix()] = Asset(body, TYPES[path.suffix], tag)
    return MappingProxyType(found)


def address(name: str) -> str:
    """Return the address of a file of the pages."""
    return url_for("asset", tag=files()[name].tag, name=name)


@blueprint.get("/static/<tag>/<path:name>")
@public("files of the pages: the same in every registry of this release")
def asset(tag: str, name: str) -> Response:
    """Send a file. Only its current address is cacheable, because two releases serve during an upgrade."""
    file = files().get(name)
    if file is None:
        raise NotFound
    response = Response(file.body, content_type=file.content_type)
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if tag == file.tag else "no-store"
    response.headers["Vary"] = "Accept-Encoding"
    return response
