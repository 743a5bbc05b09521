"""Schemas of lists in pages."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from marshmallow import Schema, fields, post_load, validate

from registry.api.prose import markdown
from registry.db.records import Page
from registry.http import cursors
from registry.http.fields import Choice, Listed, QueryNumber, Strict, Text, View, WholeNumber, about, output

LIMIT = 200
DEFAULT_LIMIT = 50
LIMITED = about("At most so many items; a page of large items has fewer.")
_SHOWN = "Only these fields of each item; without it, all. Fewer fields take less time."
NEXT_CURSOR = output("The `cursor` of the next page; null on the last one.", null=True)


class _After(Strict):
    cursor = Text(least=1, most=4096, metadata=about("`next_cursor` of the page before; without it, the first page."))

    @post_load
    def _open_cursor(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        cursor = data.pop("cursor", None)
        return data | {"after": cursors.position(cursor)}


class PageQuery(_After):
    """``limit`` items after ``cursor``; the services take ``limit`` and ``after``."""

    limit = QueryNumber(load_default=DEFAULT_LIMIT, validate=validate.Range(1, LIMIT), metadata=LIMITED)


class PageBody(_After):
    """As :class:`PageQuery`, in a body."""

    limit = WholeNumber(load_default=DEFAULT_LIMIT, least=1, most=LIMIT, metadata=LIMITED)


class _Names(fields.String):
    """Names with commas between them. A text in the OpenAPI document: not every generator of clients joins lists."""

    def __init__(self, names: Sequence[str], **kwargs: Any) -> None:
        self._choice = Choice(names)
        super().__init__(**kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        return [self._choice(name) for name in super()._deserialize(value, attr, data, **kwargs).split(",")]


def field_names_in_query(view: type[Schema]) -> fields.String:
    """Return the query parameter ``fields``, of names of the fields of *view*."""
    names = [*view().fields]
    known = ", ".join(f"`{name}`" for name in names)
    return _Names(names, data_key="fields", metadata=about(f"{_SHOWN} With commas between: {known}."))


def field_names_in_body(view: type[Schema]) -> Listed:
    """Return the field ``fields`` of a body, as :func:`field_names_in_query`."""
    names = [*view().fields]
    return Listed(
        fields.String(validate=Choice(names)), least=1, most=len(names), data_key="fields", metadata=about(_SHOWN)
    )


def listed(view: type[Schema], name: str) -> type[Schema]:
    """Return the view of an item of a list that takes ``fields``: as *view*, where every field may be absent."""
    optional = {field: copy.copy(declared) for field, declared in view().fields.items()}
    for declared in optional.values():
        declared.required = False
    made = View.from_dict(optional, name=name)
    made.__doc__ = f"{markdown(view)} With `fields`, these of its fields."
    return made


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
    return {"items": page.items, "next_cursor": cursors.of(page.next_after), "warnings": page.warnings}
