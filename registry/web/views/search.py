"""The addresses of searches, what the text of the search box leads to, and its completion."""

from __future__ import annotations

from dataclasses import asdict

from flask import Response, redirect
from marshmallow import fields, validate
from werkzeug import Response as BaseResponse

from registry.domain.access import Permission
from registry.domain.errors import Invalid
from registry.domain.filters import keys, native, search_texts
from registry.domain.filters.search_texts import DataDigest, NamedReference, NamePart, SearchFilter
from registry.domain.filters.suggest import MOST
from registry.domain.stages import Stage
from registry.http import strict_json
from registry.http.access import requires
from registry.http.context import protected_aliases
from registry.http.fields import Text
from registry.rules import names, slices
from registry.rules.metric_directions import MetricDirection
from registry.rules.references import Reference
from registry.services.catalog import aliases
from registry.services.search import completion
from registry.services.search.completion import Of
from registry.services.stages import resolve
from registry.web import forms
from registry.web.addresses import url_for
from registry.web.blueprint import blueprint
from registry.web.found_pages import BestVersionsPage, FoundVersionsPage, ModelsPage
from registry.web.rendering import page

ON_LENGTH = 500
_MOST_NAMES = 6


class FoundWebQuery(forms.WebQuery):
    """A search; ``q`` is the text of the search box in the header."""

    q = fields.String(load_default=None)
    filter = fields.String(load_default="")
    order_by = fields.String(load_default="")
    cursor = fields.String(load_default=None)


class VersionsWebQuery(FoundWebQuery):
    """A search for versions, or for the best of them by a metric on a dataset."""

    best = Text(load_default="", most=names.TAG_KEY_LENGTH)
    on = Text(load_default="", most=ON_LENGTH)
    slice = Text(load_default="", most=2 * slices.LENGTH)
    direction = fields.String(load_default="", validate=validate.OneOf(["", *map(str, MetricDirection)]))


class ModelsWebQuery(FoundWebQuery):
    """A search for models, or the list of those that are deleted."""

    deleted = fields.String(load_default="")


class CompletionWebQuery(forms.WebQuery):
    """The text of a search box, and the position of the caret."""

    q = fields.String(load_default="", validate=validate.Length(max=native.MOST_CHARACTERS))
    of = fields.String(load_default=Of.VERSIONS.value, validate=validate.OneOf([*Of]))
    caret = fields.Integer(load_default=None, validate=validate.Range(0, native.MOST_CHARACTERS))


@blueprint.get("/models", endpoint="models")
@requires(Permission.MODEL_READ)
def models_page() -> BaseResponse:
    query = forms.query(ModelsWebQuery)
    shown = ModelsPage(query)
    return _jump(shown.typed) or page(shown, status=shown.status)


@blueprint.get("/search/versions")
@requires(Permission.MODEL_READ)
def search_versions() -> BaseResponse:
    query = forms.query(VersionsWebQuery)
    if query["best"].strip():
        best = BestVersionsPage(query)
        return page(best, status=best.status)
    text = (query["filter"] if query["q"] is None else query["q"]).strip()
    if (found := _jump(text)) is not None:
        return found
    if _is_about_models(text):
        return redirect(url_for("models", filter=text))
    shown = FoundVersionsPage(query)
    return page(shown, status=shown.status)


@blueprint.get("/search/complete")
@requires(Permission.MODEL_READ)
def complete() -> Response:
    """Return suggestions for a search box as JSON: matching names of models, then the suggestions of the API."""
    query = forms.query(CompletionWebQuery)
    text = query["q"]
    found = completion.complete(text, of=Of(query["of"]), caret=query["caret"])
    matching: list[str] = []
    if text.strip() and isinstance(search_texts.meaning(text), NamePart):
        matching = completion.model_names(text.strip())[:_MOST_NAMES]
    items = [{"text": name, "kind": "model", "href": url_for("model", model=name)} for name in matching]
    items += [asdict(one) for one in found.items]
    document = {"start": found.start, "end": found.end, "items": items[:MOST]}
    return Response(strict_json.dumps(document), content_type="application/json")


def _jump(text: str) -> BaseResponse | None:
    """Return a redirect to the page that a reference or a digest names; None for another text. Raises NotFound."""
    match search_texts.meaning(text):
        case NamedReference(reference):
            return redirect(_address_of(reference))
        case DataDigest(digest):
            return redirect(url_for("impact", digest=digest))
    return None


def _address_of(reference: Reference) -> str:
    model, number = reference.model, reference.version
    if reference.stage is not None:
        number = resolve.holder(model, Stage(reference.stage)).number
    elif reference.alias is not None:
        number = aliases.resolve(model, reference.alias, protected=protected_aliases()).number
    if number is None:
        return url_for("model", model=model)
    return url_for("version", model=model, number=number)


def _is_about_models(text: str) -> bool:
    """Return whether the text is a part of a model's name, or a filter with keys of models only."""
    meant = search_texts.meaning(text)
    if isinstance(meant, SearchFilter):
        return not _can_be_read(keys.VERSIONS, text) and _can_be_read(keys.MODELS, text)
    return isinstance(meant, NamePart)


def _can_be_read(vocabulary: keys.Vocabulary, text: str) -> bool:
    try:
        native.parse(vocabulary, text)
    except Invalid:
        return False
    return True
