"""Lists in pages with an opaque, signed cursor."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from flask import request
from itsdangerous import BadData, URLSafeSerializer
from marshmallow import Schema, fields, post_load, validate

from registry.api.schemas.fields import QueryNumber, Strict, Text, View, WholeNumber, about, output
from registry.db.records import Page
from registry.domain.errors import Malformed
from registry.http.context import settings

LIMIT = 200
DEFAULT_LIMIT = 50
LIMITED = about("At most so many items; a page of large items has fewer.")
NEXT_CURSOR = output("The `cursor` of the next page; null on the last one.", null=True)


class _After(Strict):
    cursor = Text(least=1, most=4096, metadata=about("`next_cursor` of the page before; without it, the first page."))

    @post_load
    def _open_cursor(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        cursor = data.pop("cursor", None)
        return data | {"after": None if cursor is None else _decode_cursor(cursor)}


class PageQuery(_After):
    """``limit`` items after ``cursor``; the services take ``limit`` and ``after``."""

    limit = QueryNumber(load_default=DEFAULT_LIMIT, validate=validate.Range(1, LIMIT), metadata=LIMITED)


class PageBody(_After):
    """As :class:`PageQuery`, in a body."""

    limit = WholeNumber(load_default=DEFAULT_LIMIT, least=1, most=LIMIT, metadata=LIMITED)


def page_of(view: type[Schema], name: str, **others: Any) -> type[Schema]:
    """Return the view of one page of *view*'s, with *others* that the page has."""
    page = View.from_dict(
        {
            "items": fields.List(fields.Nested(view), **output("The items.")),
            "next_cursor": fields.String(**NEXT_CURSOR),
            **others,
        },
        name=name,
    )
    page.__doc__ = "A page of the list."
    return page


def paged(page: Page[Any]) -> dict[str, Any]:
    """Return the document of a page view."""
    after = None if page.next_after is None else _signer().dumps(list(page.next_after))
    return {"items": page.items, "next_cursor": after, "warnings": page.warnings}


def seal(purpose: str, values: Sequence[Any]) -> str:
    """Return an opaque, signed text of *values*, which :func:`unseal` reads for the same purpose."""
    return str(_signer(purpose).dumps(list(values)))


def unseal(purpose: str, text: str) -> list[Any]:
    """Return the values of :func:`seal`. Raises Malformed."""
    try:
        return list(_signer(purpose).loads(text))
    except BadData as error:
        raise Malformed(
            f"this registry did not issue this {purpose}; use one from an earlier answer unchanged"
        ) from error


def _decode_cursor(cursor: str) -> tuple[Any, ...]:
    try:
        return tuple(_signer().loads(cursor))
    except BadData as error:
        raise Malformed("this list did not issue this cursor; use next_cursor unchanged, with the same path") from error


def _signer(purpose: str = "") -> URLSafeSerializer:
    """Return a signer for one list, so that no other list accepts its cursors, or for another *purpose*."""
    return URLSafeSerializer(
        settings().secret_keys[::-1],  # the last one signs
        salt=purpose or f"cursor:{request.path}",
        signer_kwargs={"digest_method": hashlib.sha256},
    )
