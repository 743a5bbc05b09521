"""Downloads on the wire."""

from __future__ import annotations

from marshmallow import Schema, fields

from registry.api.schemas.criteria import CriteriaQuery
from registry.api.schemas.fields import Instant, Text, View
from registry.api.schemas.paging import page_of
from registry.api.schemas.refusals import RefusedActorView
from registry.services.download_counts import DownloadCriteria


class DownloadQuery(CriteriaQuery):
    """Hours that begin at or after ``since`` and before ``until``."""

    CRITERIA = DownloadCriteria

    class Meta:
        exclude = ("action",)

    address = Text(most=64)
    model = Text(most=255)


class DownloadView(View):
    """How often one actor at one address asked for the bytes of one version in an hour."""

    hour = Instant(required=True, metadata={"description": "When the hour began."})
    actor = fields.Nested(
        RefusedActorView, required=True, allow_none=True,
        metadata={"description": "Null, as model and number, where a process had more than 500 kinds in the hour."},
    )  # fmt: skip
    address = fields.String(required=True, metadata={"description": "The client's address."})
    model = fields.String(
        required=True, allow_none=True, metadata={"description": "The name by which it was asked for."}
    )
    number = fields.Integer(required=True, allow_none=True)
    way = fields.String(
        required=True,
        metadata={
            "description": "`file`: one address, `files`: a list of them, `archive`: one tar, `mlflow`: its proxy."
        },
    )
    count = fields.Integer(required=True)
    last_at = Instant(required=True)


DownloadPage: type[Schema] = page_of(DownloadView, "DownloadPage")
