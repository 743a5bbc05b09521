"""Field types without coercion: no ``"5"`` for a number, no 1 for true."""

from __future__ import annotations

import base64
import functools
import math
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, validate

from registry.domain import clock
from registry.domain.sizes import DESCRIPTION_LENGTH
from registry.http import loading
from registry.http.context import absolute
from registry.rules import lineage_limits
from registry.rules.names import TAG_KEY_LENGTH, TAG_VALUE_LENGTH, Rule
from registry.rules.suggestions import hint, nearest

SHA256 = "^[0-9a-f]{64}$"
UUID = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
DIGEST = "^sha256:[0-9a-f]{64}$"
NUMBER_MOST = 2**31 - 1
_DECIMAL = re.compile(r"(?:0|[1-9][0-9]*)\Z", re.ASCII)
_RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})\Z",
    re.IGNORECASE,
)


class Strict(Schema):
    """Base of request bodies: unknown fields are refused."""

    # Fields without influence on what the request writes: repetitions with one Idempotency-Key may differ in them.
    INCIDENTAL: frozenset[str] = frozenset()

    class Meta:
        unknown = RAISE

    def load(self, data: Any, **options: Any) -> Any:
        """Load a body. One without a mistake takes the way that is compiled."""
        if self._load is not None and not options:
            with suppress(ValidationError):
                return self._load(data)
        return super().load(data, **options)

    @functools.cached_property
    def _load(self) -> loading.Load | None:
        return loading.compiled(self)


class View(Schema):
    """Base of response bodies."""


class Pattern(validate.Regexp):
    """As marshmallow's, but the whole text has to match: ``$`` alone lets a final newline through."""

    def __call__(self, value: Any) -> Any:
        if self.regex.fullmatch(value) is None:
            raise ValidationError(self.error.format(input=value, regex=self.regex.pattern))
        return value


class Choice(validate.OneOf):
    """As marshmallow's ``OneOf``; the error also names the choice that is most like the value."""

    def __call__(self, value: Any) -> Any:
        try:
            return super().__call__(value)
        except ValidationError as error:
            text = str(error.messages[0]).removesuffix(".")
            raise ValidationError(text + hint(nearest(str(value), map(str, self.choices)))) from error


class Text(fields.String):
    """A text that can be stored; by default it may be empty, and has 65,536 characters at most."""

    def __init__(self, *, least: int = 0, most: int = DESCRIPTION_LENGTH, rule: Rule | None = None, **kwargs: Any):
        checks: list[Any] = [validate.Length(least, most)]
        if rule is not None:
            checks.append(_obeys(rule))
        super().__init__(validate=[*checks, *kwargs.pop("validate", [])], **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise ValidationError("must be a text")
        if "\x00" in value:
            raise ValidationError("must not hold U+0000")
        return value


class WholeNumber(fields.Integer):
    """A JSON integer, not a text, a fraction or a truth value that looks like one."""

    def __init__(self, *, least: int = 0, most: int = 2**53 - 1, **kwargs: Any) -> None:
        super().__init__(validate=validate.Range(least, most), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:
        if type(value) is not int:
            raise ValidationError("must be a whole number")
        return value


class QueryNumber(fields.Integer):
    """A whole number as a query has it: digits, at most *digits* of them, without sign, space or leading zero."""

    def __init__(self, *, digits: int = 9, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._digits = digits

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:
        if not _DECIMAL.match(value) or len(value) > self._digits:
            raise ValidationError("must be a whole number")
        return int(value)


class Number(fields.Float):
    """A finite JSON number."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> float:
        if type(value) not in {int, float} or not math.isfinite(value):
            raise ValidationError("must be a finite number")
        return float(value)


class Flag(fields.Boolean):
    """true or false."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> bool:
        if type(value) is not bool:
            raise ValidationError("must be true or false")
        return value


class Instant(fields.AwareDateTime):
    """RFC 3339 with a zone; goes out in UTC with microseconds."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(format="iso", **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> datetime:
        try:
            if not _RFC3339.match(value):
                raise ValidationError("fromisoformat takes more than RFC 3339, a NUL after the Z among it")
            moment = super()._deserialize(value, attr, data, **kwargs)
            if not isinstance(moment, datetime):
                raise ValidationError("must be an instant")
            return moment.astimezone(UTC)
        except (ValidationError, OverflowError, ValueError, TypeError) as error:
            raise ValidationError("must be an RFC 3339 instant with a zone, like 2026-11-21T13:05:02Z") from error

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else clock.wire(value)


class Base64(fields.Field[bytes]):
    """Bytes, as their standard base64 with padding (RFC 4648)."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> bytes:
        try:
            return base64.b64decode(value, validate=True)
        except (TypeError, ValueError) as error:
            raise ValidationError("must be base64, with padding and without line breaks") from error


class Address(fields.String):
    """A URL of ours or of the store; ours go out absolute."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else absolute(value)


class Document(fields.Dict):
    """A JSON object of the caller's own."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(keys=fields.String(), **kwargs)


class Listed(fields.List[Any]):
    """A list of *least* to *most* items; one that is too long is refused before its items are looked at."""

    def __init__(self, item: Any, *, least: int = 1, most: int, **kwargs: Any) -> None:
        self._length = validate.Length(least, most)
        super().__init__(item, validate=self._length, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> list[Any]:
        if isinstance(value, list):
            self._length(value)
        return super()._deserialize(value, attr, data, **kwargs)


def about(text: str, **others: Any) -> dict[str, Any]:
    """Return the metadata of a field that *text* describes."""
    return {"description": text, **others}


def output(text: str, *, null: bool = False, **others: Any) -> dict[str, Any]:
    """Return the arguments of a field that every response has and that *text* describes; *null*: it may be null."""
    return {"required": True, "allow_none": null, "metadata": about(text), **others}


def one_of(kinds: Iterable[str]) -> str:
    """Return the values in words: "`a`, `b` or `c`"."""
    *others, last = (f"`{kind}`" for kind in kinds)
    return f"{', '.join(others)} or {last}" if others else last


def labels(*, removable: bool = False, longest: int = TAG_VALUE_LENGTH, **kwargs: Any) -> fields.Dict:
    """Return a field for tags or params by name, with values of at most *longest* characters."""
    return fields.Dict(
        keys=Text(least=1, most=TAG_KEY_LENGTH), values=Text(most=longest, allow_none=removable),
        validate=validate.Length(max=lineage_limits.ENTRIES), **kwargs,
    )  # fmt: skip


def measurements(*, least: int = 0, **kwargs: Any) -> fields.Dict:
    """Return a field for metrics by name."""
    return fields.Dict(
        keys=Text(least=1, most=TAG_KEY_LENGTH),
        values=Number(),
        validate=validate.Length(least, lineage_limits.ENTRIES),
        **kwargs,
    )


def reason(*, required: bool = False) -> Text:
    """Return a field for the reason of a change, which the history shows."""
    return Text(least=1, most=2000, required=required, metadata=about("Why; history shows it."))


def version_number(**kwargs: Any) -> WholeNumber:
    return WholeNumber(least=1, most=NUMBER_MOST, **kwargs)


def _obeys(rule: Rule) -> Any:
    def check(value: str) -> None:
        if problem := rule(value):
            raise ValidationError(problem)

    return check
