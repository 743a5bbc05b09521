"""Evaluations of a version and its values of metrics on the wire."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, fields, post_load, validates_schema

from registry.api.schemas.paging import page_of
from registry.domain.evaluations import Evaluation
from registry.http.fields import Instant, Strict, Text, View, WholeNumber, about, measurements, output
from registry.rules import digests, slices


class EvaluationBody(Strict):
    """Values that were measured together. The dataset is identified by its digest.

    Without one, ``dataset_name`` names a dataset of the version's lineage.
    """

    metrics = measurements(least=1, required=True, metadata=about("The values by metric."))
    step = WholeNumber(least=-(2**53) + 1, allow_none=True, metadata=about("The training step."))
    dataset_digest = Text(least=1, most=160, rule=digests.problem, allow_none=True,
                          metadata=about("The digest of the data that they were measured on."))  # fmt: skip
    dataset_name = Text(least=1, most=500, allow_none=True, metadata=about("The name of that data, for people."))
    slice = Text(most=2 * slices.LENGTH, rule=slices.problem,
                 metadata=about(f"The slice of that data, like `{slices.EXAMPLE}`; empty: the whole."))  # fmt: skip

    @validates_schema
    def _require_data(self, data: dict[str, Any], **_: Any) -> None:
        if data.get("slice", "").strip() and not (data.get("dataset_digest") or data.get("dataset_name")):
            raise ValidationError("needs the dataset_digest or the dataset_name of the data", "slice")

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> Evaluation:
        return Evaluation(**data | {"slice": slices.canonical(data.get("slice", ""))})


class EvaluationView(View):
    """The latest value of a metric on one dataset, or on one slice of it."""

    metric = fields.String(**output("The name of the metric."))
    value = fields.Float(**output("The value."))
    dataset_digest = fields.String(**output("The digest of the data; null: it was not named.", null=True))
    dataset_name = fields.String(**output("The name of the data, for people.", null=True))
    slice = fields.String(**output("The slice of the data; empty: the whole."))


class MetricView(View):
    """A recorded value of a metric."""

    key = fields.String(**output("The name of the metric."))
    value = fields.Float(**output("The value."))
    step = fields.Integer(**output("The training step.", null=True))
    dataset_digest = fields.String(**output("The digest of the data; null: it was not named.", null=True))
    dataset_name = fields.String(**output("The name of the data, for people.", null=True))
    slice = fields.String(**output("The slice of the data; empty: the whole."))
    recorded_at = Instant(**output("When it was recorded."))
    recorded_by = fields.String(**output("The name of the account that recorded it."))


MetricPage = page_of(MetricView, "MetricPage")
