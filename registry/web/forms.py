"""Parsing of forms and of the query strings of pages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from flask import Request, g, request
from marshmallow import EXCLUDE, Schema, ValidationError, fields
from werkzeug.datastructures import MultiDict

from registry.db import times
from registry.domain.errors import Invalid, Malformed
from registry.http import bodies
from registry.rules.time_texts import read_moment

MOST_FIELDS = 20_000
_KEPT = "web_form"
_PICKED = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?\Z")


class WebForm(Schema):
    """Base of forms: fields that it does not declare are ignored, such as the token and the key."""

    class Meta:
        unknown = EXCLUDE


class WebQuery(WebForm):
    """Base of the queries of pages: unknown arguments are ignored, because links get decorated."""


class MomentField(fields.Field[Any]):
    """A time as the command line takes it, or as a browser's field of dates sends it, in UTC; None for an empty one."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        text = str(value).strip()
        if not text:
            return None
        try:
            return read_moment(f"{text}Z" if _PICKED.match(text) else text, now=times.now())
        except ValueError as error:
            raise ValidationError(str(error)) from error


def sent(req: Request) -> MultiDict[str, str]:
    """Return the fields that a form sent. Raises Malformed for a body that is no form, or TooLarge."""
    kept: MultiDict[str, str] | None = g.get(_KEPT)
    if kept is not None:
        return kept
    if req.mimetype != "application/x-www-form-urlencoded":
        raise Malformed("send the form as Content-Type: application/x-www-form-urlencoded")
    try:
        text = bodies.read(req).decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError as error:
        raise Malformed("the form is not URL-encoded UTF-8, or has too many fields") from error
    form = MultiDict(pairs)
    setattr(g, _KEPT, form)
    return form


def load(schema: type[Schema], values: MultiDict[str, str]) -> dict[str, Any]:
    """Return the values as *schema* loads them. Raises Invalid, with the error of each field.

    Fields are read by the names that the page sends, their ``data_key``. A field of a list takes all values of its
    name, each other one the last. Lines end as in a text file.
    """
    instance = schema()
    named = {field.data_key or name: field for name, field in instance.fields.items()}
    document = {
        name: values.getlist(name) if isinstance(field, fields.List) else _field_text(values, name)
        for name, field in named.items()
        if name in values
    }
    try:
        return dict(instance.load(document))
    except ValidationError as error:
        messages = error.messages_dict
        name, texts = next(iter(messages.items()))
        raise Invalid(f"{name}: {_first_mistake(texts)}", errors=messages) from error


def query(schema: type[Schema]) -> dict[str, Any]:
    """Return the query of the page. Raises Invalid."""
    return load(schema, request.args)


def _field_text(values: MultiDict[str, str], name: str) -> str:
    return values.getlist(name)[-1].replace("\r\n", "\n")  # as HTML forms end lines


def _first_mistake(texts: Any) -> str:
    while isinstance(texts, dict | list):
        texts = next(iter(texts.values())) if isinstance(texts, dict) else texts[0]
    return str(texts)
