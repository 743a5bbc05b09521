"""Forms of moves and rollbacks."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, fields, validate

from registry.domain import validation
from registry.domain.stages import Stage
from registry.http.fields import NUMBER_MOST
from registry.services.stages.changes import UNSAID
from registry.web import forms


def _version_number(value: str) -> int:
    if not (value.isascii() and value.isdecimal() and len(value) <= 10 and 1 <= int(value) <= NUMBER_MOST):
        raise ValidationError("is not the number of a version")
    return int(value)


def _check_reason(value: str) -> None:
    if "\x00" in value:
        raise ValidationError("must not hold U+0000")
    if not value.strip() or len(value) > validation.REASON_LENGTH:
        raise ValidationError(f"enter a reason of 1 to {validation.REASON_LENGTH} characters; the history shows it")


class Holder(fields.Field["int | None"]):
    """The holder of production that the form has shown: a number, or "" for none."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int | None:
        return None if value == "" else _version_number(value)


class VersionNumber(fields.Field[int]):
    """The number of a version, as a form sends it."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        return _version_number(value)


class Reason(fields.String):
    """The reason: a text that the history shows."""

    def __init__(self) -> None:
        super().__init__(
            required=True, error_messages={"required": "enter a reason; the history shows it"}, validate=_check_reason
        )


class MoveForm(forms.WebForm):
    """A move of a version to another stage."""

    to = fields.String(
        required=True,
        validate=validate.OneOf([stage.value for stage in Stage]),
        error_messages={"required": "choose a stage"},
    )
    reason = Reason()
    expected_current = Holder(load_default=UNSAID)
    leave_vacant = fields.String(load_default="")


class RollbackForm(forms.WebForm):
    """A rollback of production."""

    to = VersionNumber(required=True, error_messages={"required": "choose a version"})
    reason = Reason()
    expected_current = Holder(load_default=UNSAID)
    without_store_check = fields.String(load_default="")
