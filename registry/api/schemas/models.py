"""Models on the wire."""

from __future__ import annotations

from marshmallow import fields

from registry.api.schemas.paging import PageQuery, field_names_in_query, listed, page_of
from registry.http.fields import Choice, Document, Instant, Strict, Text, View, about, labels, output, reason
from registry.rules import names

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
    """Changes of a model; fields that are left out stay."""

    description = Text(metadata=about("What the model is for; replaces the text."))
    tags = labels(removable=True, metadata=about("Sets each tag; null removes it."))
    lifecycle = fields.String(validate=LIFECYCLES, metadata=about("`enforced` or `open`, see the creation of a model."))
    reason = reason()


class ReasonBody(Strict):
    """Reason of a change, in the body."""

    reason = reason()


class ReasonQuery(Strict):
    """Reason of a change, in the query string."""

    reason = reason()


class StageNumbersView(View):
    """The numbers of the versions in the stages that serve."""

    staging = fields.List(fields.Integer(), **output("Versions in staging."))
    production = fields.List(fields.Integer(), **output("Versions in production: one at most in lifecycle `enforced`."))


class ModelView(View):
    """The model."""

    VERSIONED = True

    id = fields.String(**output("The id of the model, which a rename does not change."))
    name = fields.String(**output("The name of the model."))
    description = fields.String(**output("What the model is for."))
    tags = fields.Dict(keys=fields.String(), values=fields.String(), **output("Tags by key."))
    lifecycle = fields.String(**output("`enforced` or `open`."))
    state = fields.String(**output("`active` or `deleted`."))
    latest_version = fields.Integer(**output("The highest version number; null without versions.", null=True))
    stages = fields.Nested(StageNumbersView, **output("The versions in staging and production."))
    aliases = fields.Dict(keys=fields.String(), values=fields.Integer(), **output("Version numbers by alias."))
    protected_aliases = fields.List(
        fields.String(), **output("The protected aliases, without those of REGISTRY_PROTECTED_ALIASES.")
    )
    claimed = fields.Dict(**output("Facts from the registry that the model comes from.", null=True))
    created_at = Instant(**output("When the model was created."))
    created_by = fields.String(**output("The name of the account that created it."))
    updated_at = Instant(**output("When the model last changed."))
    deleted_at = Instant(**output("When the model was deleted.", null=True))


class ModelsQuery(PageQuery):
    """Filter of models, and the fields to show."""

    name = Text(most=names.MODEL_NAME_LENGTH, metadata=about("Only the model of exactly this name."))
    deleted = fields.Boolean(
        truthy={"true"}, falsy={"false"}, metadata=about("`true`: deleted models instead of live ones.")
    )
    field_names = field_names_in_query(ModelView)


ModelPage = page_of(listed(ModelView, "ListedModelView"), "ModelPage")
