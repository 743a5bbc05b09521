"""The query of an evidence archive."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from registry.domain.evidence.profiles import PROFILES
from registry.http.fields import NUMBER_MOST, Choice, Instant, QueryNumber, Strict, about


class ArchiveQuery(Strict):
    """What an archive is about, and when."""

    version = QueryNumber(
        validate=validate.Range(1, NUMBER_MOST),
        metadata=about("Only this version; the entries of the model are in the archive all the same."),
    )
    since = Instant(data_key="from", metadata=about("Only what was registered, or lasted, at or after this time."))
    until = Instant(data_key="to", metadata=about("As it was before this time; without it, at the checkpoint."))
    profile = fields.String(
        validate=Choice(sorted(PROFILES)),
        metadata=about("Order the facts by the clauses of this text. It is no legal advice."),
    )
    checkpoint = QueryNumber(
        validate=validate.Range(1, NUMBER_MOST),
        metadata=about(
            "The size of a published checkpoint, to get an earlier archive again; without it, the latest one, once it "
            "covers all entries about the model."
        ),
    )

    @validates_schema
    def _check_span(self, data: dict[str, Any], **_: Any) -> None:
        if "since" in data and "until" in data and data["since"] >= data["until"]:
            raise ValidationError("must be after from", "to")
