"""Searches on the wire, and the filter language as the API's document describes it."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, fields, post_load, validates_schema

from registry.api.schemas.models import ModelView
from registry.api.schemas.paging import PageBody, PageQuery, field_names_in_body, field_names_in_query
from registry.api.schemas.versions import VersionView
from registry.domain.filters import keys, native
from registry.domain.filters.suggest import MOST, SuggestionKind
from registry.domain.filters.terms import MOST_PATTERN, MOST_VALUES, MOST_WILDCARDS
from registry.http.fields import Choice, QueryNumber, Strict, Text, View, about, one_of, output
from registry.rules import slices
from registry.rules.metric_directions import MetricDirection
from registry.rules.names import TAG_KEY_LENGTH
from registry.services.search.best import BestQuery
from registry.services.search.completion import Of

MODELS_FILTER = "tags.team = 'risk' AND name LIKE 'fraud%'"
VERSIONS_FILTER = "metrics.auc > 0.9 AND (stage = 'production' OR alias = 'champion')"
_LANGUAGE = """\
What to find; without it everything is found.

`key operator value`, joined by `AND`, `OR`, `NOT` and parentheses. Words of the language in any case. Operators:
- texts: `=` `!=` `LIKE` `ILIKE` `NOT LIKE` `NOT ILIKE` `IN (…)` `NOT IN (…)`
- numbers: `=` `!=` `<` `<=` `>` `>=` `IN (…)` `NOT IN (…)`
- times: `=` `!=` `<` `<=` `>` `>=`
- every key: `IS NULL` `IS NOT NULL`

Texts and times stand in `'…'` or `"…"`, where a doubled quote is one. In LIKE `%` is any text and `_` any character;
ILIKE ignores the case of ASCII letters. A key of any characters stands in backticks: ``tags.`any key` ``. A condition
on what is absent is false, also with `!=`; one on a key with several values holds if it does for one of them.{metrics}
At most {characters} characters and {terms} conditions; a list has at most {values} values, a pattern at most {pattern}
characters and {wildcards} `%`.

Keys: {keys}.
{synonyms}
Example: `{example}`"""
_ORDER = """\
Keys with `ASC` or `DESC`, separated by commas, at most {orders}; {default} without it. Texts are sorted by code point;
what has no value comes last.{metrics} Keys: {keys}."""
_MEASURED = """
`metrics.auc ON 'sha256:…'` is the latest value that was measured on the dataset with this digest. `metrics.auc` alone
is the latest value of each version, on any data; `evaluations` of a version show on which."""
_MIXED = """
`metrics.auc ON 'sha256:…' DESC` compares values on one dataset; `metrics.auc DESC` the latest of each version, with a
warning where these are on several datasets."""


def _language(vocabulary: keys.Vocabulary, example: str) -> str:
    known = {short: name for short, name in vocabulary.synonyms.items() if name in vocabulary.fields}
    synonyms = "; ".join(f"`{short}` is `{name}`" for short, name in sorted(known.items()))
    return _LANGUAGE.format(
        characters=native.MOST_CHARACTERS, terms=native.MOST_TERMS, values=MOST_VALUES,
        pattern=MOST_PATTERN, wildcards=MOST_WILDCARDS, keys=_list_keys(vocabulary), example=example,
        synonyms=f"{synonyms}.\n", metrics=_MEASURED if "metrics" in vocabulary.fields else "",
    )  # fmt: skip


def _order(vocabulary: keys.Vocabulary, default: str) -> str:
    single = keys.Vocabulary({name: field for name, field in vocabulary.fields.items() if not field.many}, {})
    return _ORDER.format(
        orders=native.MOST_ORDERS,
        default=default,
        keys=_list_keys(single),
        metrics=_MIXED if "metrics" in vocabulary.fields else "",
    )


def _list_keys(vocabulary: keys.Vocabulary) -> str:
    """Return the keys as Markdown: outside of a literal, ``<key>`` is taken for HTML and not field_names."""
    return ", ".join(f"`{name}`" for name in vocabulary.names.split(", "))


def _query_text(description: str, most: int, *, example: str) -> Any:
    return Text(most=most, metadata=about(description, example=example))


class _ModelSearch(Strict):
    filter = _query_text(_language(keys.MODELS, MODELS_FILTER), native.MOST_CHARACTERS, example=MODELS_FILTER)
    order_by = _query_text(_order(keys.MODELS, "by name"), native.MOST_ORDER_CHARACTERS, example="name DESC")


class _VersionSearch(Strict):
    filter = _query_text(_language(keys.VERSIONS, VERSIONS_FILTER), native.MOST_CHARACTERS, example=VERSIONS_FILTER)
    order_by = _query_text(
        _order(keys.VERSIONS, "newest first"), native.MOST_ORDER_CHARACTERS, example="metrics.auc DESC"
    )


class _BestSearch(_VersionSearch):
    """A search for versions, or for the best of them."""

    best = Text(
        least=1, most=TAG_KEY_LENGTH,
        metadata=about(
            "A metric: the versions that have it on the dataset `on`, the best first, and the newest of equal ones. "
            "Not together with `order_by`."
        ),
    )  # fmt: skip
    on = Text(
        least=1, most=500,
        metadata=about(
            "For `best`: a digest of the dataset, or its name in a lineage where one dataset of this name has the "
            "metric. Datasets that share a digest are the same."
        ),
    )  # fmt: skip
    slice = Text(
        most=2 * slices.LENGTH, rule=slices.problem,
        metadata=about(f"For `best`: the slice of the dataset, like `{slices.EXAMPLE}`; without it, the whole."),
    )  # fmt: skip
    direction = fields.String(
        validate=Choice([*MetricDirection]),
        metadata=about(
            "For `best`: `max` if higher values are better, `min` if lower ones are. Needed where the end of the "
            "metric's name does not show it, as it does for `val.auc` and `test_rmse`."
        ),
    )

    @validates_schema
    def _require_metric(self, data: dict[str, Any], **_: Any) -> None:
        if "best" not in data:
            for name in ("on", "slice", "direction"):
                if data.get(name):
                    raise ValidationError("is for searches with best", name)
        elif "on" not in data:
            raise ValidationError("is required for best: a digest or a name of the dataset", "on")
        elif data.get("order_by"):
            raise ValidationError("must not be given with best, which is an order itself", "order_by")

    @post_load
    def _ask_for_best(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        metric, on, part, direction = (data.pop(name, None) for name in ("best", "on", "slice", "direction"))
        if metric is None:
            return data
        query = BestQuery(metric, on, slices.canonical(part or ""), direction and MetricDirection(direction))
        return data | {"best": query}


class ModelSearchQuery(PageQuery, _ModelSearch):
    """A search for models in an address."""

    field_names = field_names_in_query(ModelView)


class ModelSearchBody(PageBody, _ModelSearch):
    """A search for models in a body."""

    field_names = field_names_in_body(ModelView)


class VersionSearchQuery(PageQuery, _BestSearch):
    """A search for versions in an address."""

    field_names = field_names_in_query(VersionView)


class VersionSearchBody(PageBody, _BestSearch):
    """A search for versions in a body."""

    field_names = field_names_in_body(VersionView)


class CompletionQuery(Strict):
    """An unfinished filter."""

    q = Text(
        load_default="",
        most=native.MOST_CHARACTERS,
        metadata=about("The text of the filter, finished or not.", example="stage = 'pro"),
    )
    of = fields.String(
        load_default=Of.VERSIONS.value, validate=Choice([*Of]), metadata=about("What the filter is about.")
    )
    caret = QueryNumber(
        metadata=about("The place to complete at: characters before it, by default all. Beyond the end is the end.")
    )

    @post_load
    def _name_kind(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {"text": data["q"], "of": Of(data["of"]), "caret": data.get("caret")}


class SuggestionView(View):
    """A text that can stand in the filter."""

    text = fields.String(**output("The text, with quotes where it needs them."))
    kind = fields.String(**output(f"The kind: {one_of(SuggestionKind)}."))


class CompletionView(View):
    """Suggestions for one place of a filter."""

    start = fields.Integer(
        **output("Where the place begins, in characters from 0. Each suggestion replaces the place.")
    )
    end = fields.Integer(**output("Where it ends."))
    items = fields.List(
        fields.Nested(SuggestionView),
        **output(f"At most {MOST} suggestions, for a place in which something is known to fit."),
    )
