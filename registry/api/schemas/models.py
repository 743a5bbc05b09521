"""Models on the wire."""

from __future__ import annotations

from marshmallow import fields

from registry.api.schemas.fields import Choice, Document, Instant, Strict, Text, View, labels, reason
from registry.api.schemas.paging import PageQuery, page_of
from registry.domain import names

LIFECYCLES = Choice(["enforced", "open"])


class ModelBody(Strict):
    """``claimed`` is for models that come from another registry, and needs ``version:import``."""

    name = Text(required=True, least=1, most=255, rule=names.model_name_problem)
    description = Text()
    tags = labels()
    lifecycle = fields.String(validate=LIFECYCLES)
    claimed = Document(allow_none=True, metadata={"description": "What that registry said of it."})


class ModelPatchBody(Strict):
    description = Text()
    tags = labels(removable=True, metadata={"description": "Sets each tag; null removes it."})
    lifecycle = fields.String(validate=LIFECYCLES)
    reason = reason()


class ReasonBody(Strict):
    reason = reason()


class ReasonQuery(Strict):
    reason = reason()


class ModelsQuery(PageQuery):
    name = Text(most=255)
    deleted = fields.Boolean(truthy={"true"}, falsy={"false"})


class StageNumbersView(View):
    staging = fields.List(fields.Integer(), required=True)
    production = fields.List(fields.Integer(), required=True)


class ModelView(View):
    id = fields.String(required=True)
    name = fields.String(required=True)
    description = fields.String(required=True)
    tags = fields.Dict(keys=fields.String(), values=fields.String(), required=True)
    lifecycle = fields.String(required=True)
    state = fields.String(required=True, metadata={"description": "active or deleted"})
    latest_version = fields.Integer(required=True, allow_none=True)
    stages = fields.Nested(StageNumbersView, required=True)
    aliases = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True)
    protected_aliases = fields.List(
        fields.String(), required=True, metadata={"description": "besides those that the settings protect"}
    )
    claimed = fields.Dict(
        required=True, allow_none=True, metadata={"description": "what the registry it came from said"}
    )
    created_at = Instant(required=True)
    created_by = fields.String(required=True)
    updated_at = Instant(required=True)
    deleted_at = Instant(required=True, allow_none=True)


ModelPage = page_of(ModelView, "ModelPage")
