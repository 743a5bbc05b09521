"""Downloads on the wire."""

from __future__ import annotations

from marshmallow import Schema, fields

from registry.api.schemas.criteria import CriteriaQuery
from registry.api.schemas.fields import Instant, Text, View, about, shown
from registry.api.schemas.paging import page_of
from registry.api.schemas.refusals import RefusedActorView
from registry.domain import names
from registry.services.usage.downloads import DownloadCriteria


class DownloadQuery(CriteriaQuery):
    """Which counts to list: those of hours that begin at or after ``since`` and before ``until``."""

    CRITERIA = DownloadCriteria

    class Meta:
        exclude = ("action",)

    address = Text(most=64, metadata=about("Only requests from this address of a client."))
    model = Text(most=names.MODEL_NAME_LENGTH, metadata=about("Only requests that named this model."))


class DownloadView(View):
    """How often one actor at one address asked for the bytes of one version in an hour."""

    hour = Instant(**shown("When the hour began."))
    actor = fields.Nested(
        RefusedActorView,
        **shown(
            "Who asked; null, as model and number, for what a process counted beyond 500 kinds in the hour.", null=True
        ),
    )
    address = fields.String(**shown("The address of the client."))
    model = fields.String(**shown("The name of the model in the request.", null=True))
    number = fields.Integer(**shown("The number of the version.", null=True))
    way = fields.String(
        **shown("`file`: one URL; `files`: a list of them; `archive`: one tar; `mlflow`: the MLflow interface.")
    )
    count = fields.Integer(**shown("How many requests there were."))
    last_at = Instant(**shown("When the last one was."))


DownloadPage: type[Schema] = page_of(DownloadView, "DownloadPage")
