"""Downloads on the wire."""

from __future__ import annotations

from marshmallow import Schema, fields

from registry.api.schemas.criteria import CriteriaQuery
from registry.api.schemas.paging import page_of
from registry.api.schemas.refusals import RefusedActorView
from registry.http.fields import Instant, Text, View, about, output
from registry.rules import names
from registry.services.usage.downloads import DownloadCriteria


class DownloadQuery(CriteriaQuery):
    """Filter of counts: those of hours that begin at or after ``since`` and before ``until``."""

    CRITERIA = DownloadCriteria

    class Meta:
        exclude = ("action",)

    address = Text(most=64, metadata=about("Only requests from this address of a client."))
    model = Text(most=names.MODEL_NAME_LENGTH, metadata=about("Only requests that named this model."))


class DownloadView(View):
    """The number of downloads of one version by one actor at one address in an hour."""

    hour = Instant(**output("When the hour began."))
    actor = fields.Nested(
        RefusedActorView,
        **output(
            "The account; null, as model and number, for counts of a process beyond 500 kinds in the hour.", null=True
        ),
    )
    address = fields.String(**output("The address of the client."))
    model = fields.String(**output("The name of the model in the request.", null=True))
    number = fields.Integer(**output("The number of the version.", null=True))
    way = fields.String(
        **output(
            "`file`: one URL; `files`: a list of them; `archive`: one tar; `preview`: the first bytes of a file, on a "
            "page; `mlflow`: the MLflow interface."
        )
    )
    count = fields.Integer(**output("How many requests there were."))
    last_at = Instant(**output("When the last one was."))


DownloadPage: type[Schema] = page_of(DownloadView, "DownloadPage")
