"""Imports on the wire."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from marshmallow import ValidationError, fields, post_load

from registry.api.schemas.fields import Instant, Strict, Text, View
from registry.api.schemas.versions import VersionBody, evaluations_of
from registry.domain import locations
from registry.domain.errors import Invalid
from registry.domain.manifest import File
from registry.domain.registrations import Registration


class ImportBody(VersionBody):
    """A registration of the files at *source*: ``s3://bucket/key``, all below ``s3://bucket/prefix/``, or one at
    ``https://host/path``."""

    class Meta(Strict.Meta):
        exclude = ("files", "run_link", "logged_model", "anew", "number", "claimed")

    source = Text(required=True, least=1, most=locations.MOST, rule=locations.problem)

    @post_load(pass_original=True)
    def _make(self, data: dict[str, Any], original: Mapping[str, Any], **_: Any) -> Any:
        evaluations_of(data.get("evaluations", ()), data.get("datasets", ()))
        return {"source": original["source"], "facts": {name: original[name] for name in original.keys() - {"source"}}}


class ImportView(View):
    """``state``: pending, running, parked (see ``/jobs``), done or failed. ``reason`` says what is in its way, or was
    in the end; ``files`` and ``bytes`` how much was fetched; ``version`` the number of what was made of it."""

    id = fields.String(required=True)
    model = fields.String(required=True)
    source = fields.String(required=True)
    state = fields.String(required=True)
    reason = fields.String(required=True, allow_none=True)
    files = fields.Integer(required=True)
    bytes = fields.Integer(required=True)
    version = fields.Integer(required=True, allow_none=True)
    created_at = Instant(required=True)
    created_by = fields.String(required=True)
    finished_at = Instant(required=True, allow_none=True)


def registration_of(facts: Mapping[str, Any], files: Sequence[File]) -> Registration:
    """The registration that the facts of an :class:`ImportBody` ask for. Raises Invalid."""
    try:
        made: Registration = VersionBody().load({**facts, "files": [asdict(file) for file in files]})
    except ValidationError as error:  # the rules may have changed since the facts were taken
        raise Invalid("what the request says of the version breaks a rule", errors=error.messages_dict) from error
    return made
