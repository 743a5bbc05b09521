"""Models on the wire."""

from __future__ import annotations

from marshmallow import fields

from registry.api.schemas.fields import Choice, Document, Instant, Strict, Text, View, about, labels, reason, shown
from registry.api.schemas.paging import PageQuery, page_of
from registry.domain import names

LIFECYCLES = Choice(["enforced", "open"])


class ModelBody(Strict):
    """A model to create."""

    name = Text(required=True, least=1, most=names.MODEL_NAME_LENGTH, rule=names.model_name_problem,
                metadata=about("Unique, also when case and Unicode form are ignored; without `/` and `:`.",
                               example="fraud"))  # fmt: skip
    description = Text(metadata=about("What the model is for."))
    tags = labels(metadata=about("Tags by key."))
    lifecycle = fields.String(
        validate=LIFECYCLES,
        metadata=about(
            "`enforced`: stages are entered along the allowed moves, with one version in production. `open`: any move, "
            "as MLflow does. The default is REGISTRY_DEFAULT_LIFECYCLE."
        ),
    )
    claimed = Document(
        allow_none=True,
        metadata=about("Facts from the registry that the model comes from. Needs the permission version:import."),
    )


class ModelPatchBody(Strict):
    """What to change of a model; the rest stays."""

    description = Text(metadata=about("What the model is for; replaces the text."))
    tags = labels(removable=True, metadata=about("Sets each tag; null removes it."))
    lifecycle = fields.String(validate=LIFECYCLES, metadata=about("`enforced` or `open`, see the creation of a model."))
    reason = reason()


class ReasonBody(Strict):
    """Why something is done."""

    reason = reason()


class ReasonQuery(Strict):
    """Why something is done, in the address."""

    reason = reason()


class ModelsQuery(PageQuery):
    """Which models to list."""

    name = Text(most=names.MODEL_NAME_LENGTH, metadata=about("Only the model of exactly this name."))
    deleted = fields.Boolean(
        truthy={"true"}, falsy={"false"}, metadata=about("`true`: deleted models instead of live ones.")
    )


class StageNumbersView(View):
    """The numbers of the versions in the stages that serve."""

    staging = fields.List(fields.Integer(), **shown("Versions in staging."))
    production = fields.List(fields.Integer(), **shown("Versions in production: one at most in lifecycle `enforced`."))


class ModelView(View):
    """The model."""

    VERSIONED = True

    id = fields.String(**shown("The id of the model, which a rename does not change."))
    name = fields.String(**shown("The name of the model."))
    description = fields.String(**shown("What the model is for."))
    tags = fields.Dict(keys=fields.String(), values=fields.String(), **shown("Tags by key."))
    lifecycle = fields.String(**shown("`enforced` or `open`."))
    state = fields.String(**shown("`active` or `deleted`."))
    latest_version = fields.Integer(**shown("The highest version number; null without versions.", null=True))
    stages = fields.Nested(StageNumbersView, **shown("The versions in staging and production."))
    aliases = fields.Dict(keys=fields.String(), values=fields.Integer(), **shown("Version numbers by alias."))
    protected_aliases = fields.List(
        fields.String(), **shown("The protected aliases, without those of REGISTRY_PROTECTED_ALIASES.")
    )
    claimed = fields.Dict(**shown("Facts from the registry that the model comes from.", null=True))
    created_at = Instant(**shown("When the model was created."))
    created_by = fields.String(**shown("The name of the account that created it."))
    updated_at = Instant(**shown("When the model last changed."))
    deleted_at = Instant(**shown("When the model was deleted.", null=True))


ModelPage = page_of(ModelView, "ModelPage")
