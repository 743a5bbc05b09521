"""Limits on bodies, and reading of a body as a strict JSON document."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Protocol, TypeVar

from flask import Request, g

from registry.domain import exhaustion
from registry.domain.errors import BodyTimeout, Malformed, TooLarge
from registry.http import strict_json
from registry.http.context import settings
from registry.rules.part_sizes import MOST_SIGNED

View = TypeVar("View", bound=Callable[..., Any])
BODY_VALUES = 10_000
MANIFEST_VALUES = 100_000
_KIND = "registry.body_kind"  # of the environment: the mark of the view
_LISTS = frozenset({"manifest", "parts", "event"})
PART_BYTES = 4096  # an address with temporary credentials under its signature, and some more


class Readable(Protocol):
    """The body as the server hands it over."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to *size* bytes, none at the end."""


class _Body:
    """The request's body, whose errors are the client's: every exception while it is read becomes a refusal."""

    def __init__(self, body: Readable) -> None:
        self._body = body

    def read(self, size: int = -1, /) -> bytes:
        """Read as the server does. Raises BodyTimeout or Malformed."""
        try:
            return self._body.read(size)
        except TimeoutError as error:
            raise BodyTimeout("the rest of the body did not arrive in time; send the request again") from error
        except Exception as error:
            if exhaustion.lacking(error):
                raise
            text = "the body ended before its announced end, or its chunks are malformed; send the request again"
            raise Malformed(text) from error


def takes_manifest(view: View) -> View:
    """Let the view's body be as large as a manifest of 10,000 files."""
    return _mark_view(view, "manifest")


def takes_file(view: View) -> View:
    """Let the view's body be as large as one file may be; the view streams it."""
    return _mark_view(view, "file")


def takes_event(view: View) -> View:
    """Allow a body as large as a manifest, with integers of 64 bits: ids of Iceberg's snapshots are such."""
    return _mark_view(view, "event")


def takes_parts(view: View) -> View:
    """Allow a body as large as the list of 1,000 parts, each with its signed address."""
    return _mark_view(view, "parts")


def announced_length(req: Request) -> int | None:
    """Return the length of the body in bytes; None for a chunked one."""
    if req.content_length is None and "Transfer-Encoding" not in req.headers:
        return 0  # RFC 9112, 6.3: who names neither sends no body
    return req.content_length


def limit(request: Request, view: Callable[..., Any] | None) -> None:
    """Before each request: how many bytes its body may have."""
    kind = request.environ[_KIND] = getattr(view, "__body__", None)
    length, is_chunked = request.content_length or 0, "Transfer-Encoding" in request.headers
    most = _most(kind)
    if length > most:
        raise _too_large(most)
    if length or is_chunked:
        request.environ["wsgi.input"] = _Body(request.environ["wsgi.input"])
    # Werkzeug cuts a body of undeclared length off at its limit without a word: see read() for the byte more.
    request.max_content_length = most + 1
    if is_chunked and kind != "file":
        read(request)  # whether its chunks are well-formed is known at their end only: before anything is done


def read(req: Request) -> bytes:
    """Return the whole body. Raises TooLarge."""
    raw = req.get_data(cache=True)
    if len(raw) == req.max_content_length:
        raise _too_large(len(raw) - 1)
    return raw


def is_json(req: Request) -> bool:
    """Return whether the body is declared as JSON and is not encoded."""
    return req.mimetype == "application/json" and not req.headers.get("Content-Encoding")


def load(req: Request, *, incidental: Collection[str] = ()) -> Any:
    """Return the body's one JSON document; keep it in ``g.document``, without the *incidental* members.

    Raises Malformed, or TooLarge.
    """
    kind = req.environ[_KIND]
    values = MANIFEST_VALUES if kind in _LISTS else BODY_VALUES
    document = strict_json.loads(read(req), values=values, large_integers=kind == "event")
    g.document = document
    if incidental and isinstance(document, dict):
        g.document = {name: value for name, value in document.items() if name not in incidental}
    return document


def _mark_view(view: View, kind: str) -> View:
    view.__body__ = kind  # type: ignore[attr-defined]  # a mark, read by limit
    return view


def _most(kind: str | None) -> int:
    limits = settings()
    match kind:
        case "file":
            return limits.max_upload_bytes
        case "manifest" | "event":
            return limits.max_manifest_bytes
        case "parts":
            return MOST_SIGNED * PART_BYTES
        case _:
            return limits.max_body_bytes


def _too_large(most: int) -> TooLarge:
    return TooLarge(f"the body may have {most} bytes at most", limit=most)
