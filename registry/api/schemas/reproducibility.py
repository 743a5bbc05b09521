"""What of a version is recorded for building it again, on the wire."""

from __future__ import annotations

from marshmallow import fields

from registry.domain.reproducibility import CheckState, Requirement
from registry.http.fields import View, one_of, output

_REQUIREMENTS = f"{one_of(Requirement)}; later releases may add others"


class ReproducibilityCheckView(View):
    """A requirement for building a version again."""

    requirement = fields.String(**output(f"What is needed: {_REQUIREMENTS}."))
    state = fields.String(**output(f"{one_of(CheckState)}."))
    detail = fields.String(**output("The recorded facts, or what is missing."))
    remedy = fields.String(**output("What to do about it; null where it is met.", null=True))


class ReproducibilityView(View):
    """What of a version is recorded for building it again."""

    model = fields.String(**output("The name of the model."))
    number = fields.Integer(**output("The number of the version."))
    score = fields.String(attribute="report.score", **output("How many requirements are met, like `5 of 7`."))
    met = fields.Integer(attribute="report.met", **output("The number of requirements that are met."))
    total = fields.Integer(attribute="report.total", **output("The number of requirements."))
    missing = fields.List(
        fields.String(), attribute="report.missing", **output(f"The requirements that are not met: {_REQUIREMENTS}.")
    )
    checks = fields.List(
        fields.Nested(ReproducibilityCheckView), attribute="report.checks", **output("All requirements.")
    )
