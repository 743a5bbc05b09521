"""Shared parts of the forms of models and versions: reasons, rows of tags, and the row version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from marshmallow import ValidationError, fields
from werkzeug.datastructures import MultiDict

from registry.domain.errors import Invalid
from registry.domain.sizes import DESCRIPTION_LENGTH
from registry.http.fields import QueryNumber, Text
from registry.web import forms
from registry.web.text.words import editable

REASON_LENGTH = 2000
BLANK_ROWS = 3
MOST_ROWS = 120  # of tags, that a refused form shows again


class OptionalReason(fields.Field["str | None"]):
    """An optional reason; None for an empty field."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str | None:
        text = str(value).strip()
        if "\x00" in text:
            raise ValidationError("must not hold U+0000")
        if len(text) > REASON_LENGTH:
            raise ValidationError(f"must have at most {REASON_LENGTH} characters")
        return text or None


class ReasonForm(forms.WebForm):
    """A form with only a reason."""

    reason = OptionalReason(load_default=None)


class DescriptionForm(ReasonForm):
    """The description and the tags of a model or a version, and the row version that they were read at."""

    description = Text(load_default="", most=DESCRIPTION_LENGTH)
    tag_key = fields.List(Text())
    tag_value = fields.List(Text())
    row_version = QueryNumber(load_default=None)


def tags_of(form: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags that the rows of a form have; a row without a key is left out. Raises Invalid for a key twice."""
    pairs = zip(form.get("tag_key", ()), form.get("tag_value", ()), strict=False)
    tags: dict[str, str] = {}
    for key, value in ((key, value.replace("\r\n", "\n")) for key, value in pairs if key):
        if key in tags:
            raise Invalid.field("tags", f"must have the key {key!r} once")
        tags[key] = value
    return tags


def changed_tags(form: Mapping[str, Any], current: Mapping[str, str]) -> dict[str, str | None]:
    """Return the tags to set, and as None those to remove. Raises Invalid."""
    wanted = tags_of(form)
    stored = {key: editable(value) for key, value in current.items()}
    changes: dict[str, str | None] = {key: value for key, value in wanted.items() if stored.get(key) != value}
    return changes | dict.fromkeys(current.keys() - wanted.keys())


def changed_description(form: Mapping[str, Any], current: str) -> str | None:
    """Return the description to set; None where the field still has the current one."""
    text: str = form["description"]
    return None if text == editable(current) else text


def tag_rows(values: MultiDict[str, str], current: Mapping[str, str]) -> Sequence[tuple[str, str]]:
    """Return the rows of a form: the sent rows, else the current tags, and some empty rows."""
    if "tag_key" in values:
        sent = zip(values.getlist("tag_key"), values.getlist("tag_value"), strict=False)
        return [*islice(filter(any, sent), MOST_ROWS), ("", "")]
    return [*sorted(current.items()), *[("", "")] * BLANK_ROWS]
