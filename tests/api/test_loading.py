"""A body is read the same whether marshmallow loads it or the function that was made of its schema."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from marshmallow import Schema, ValidationError, fields

from registry.api import examples, schemas
from registry.api.schemas.criteria import CriteriaQuery
from registry.api.schemas.stages import StageChangeBody
from registry.api.schemas.versions import VersionBody
from registry.domain.errors import Invalid
from registry.http import loading
from registry.http.fields import Instant, Strict

for module in pkgutil.iter_modules(schemas.__path__):
    importlib.import_module(f"{schemas.__name__}.{module.name}")
CURSORS = {"cursor", "resumed"}  # which need the secrets of an app
TEXTS = st.sampled_from(["", "a", "train", "md5:" + "0" * 32, "a" * 64, "text/plain", "a/../b", "none", "\x00"])
QUERY_TEXTS = st.sampled_from(["", "5", "0", "500", "true", "production", "ready", "2026-11-21T13:05:02Z", "fraud"])
MISTAKES: st.SearchStrategy[Any] = st.sampled_from([None, "", 1.5, True, [], {}, {"unknown": 1}, -1, 2**60])


def bodies(of: type[Strict] = Strict) -> list[type[Strict]]:
    found = {body for one in of.__subclasses__() for body in (one, *bodies(one))} - {CriteriaQuery}  # a base
    return sorted(found, key=lambda body: body.__name__)


def values(field: fields.Field[Any]) -> st.SearchStrategy[Any]:
    """What a client may send for *field*."""
    if isinstance(field, fields.Nested):
        kind: Any = type(field.schema)
        return st.deferred(lambda: documents(kind))
    if isinstance(field, fields.List):
        return st.lists(values(field.inner), max_size=2)
    if isinstance(field, fields.Dict):
        return st.dictionaries(TEXTS, values(field.value_field) if field.value_field else st.integers(), max_size=2)
    if isinstance(field, Instant):
        return st.sampled_from(["2026-11-21T13:05:02Z", "2026-11-21"])
    if isinstance(field, fields.Boolean):
        return st.booleans()
    if isinstance(field, fields.Float | fields.Integer):
        return st.integers(0, 9)
    return TEXTS


@st.composite
def documents(draw: st.DrawFn, body: type[Strict]) -> Any:
    """A body, most often a right one, else one with a field that is missing, unknown or of another type."""
    is_query = body.__name__.endswith("Query")
    document = {
        field.data_key or name: draw(
            QUERY_TEXTS if is_query else st.none() if field.allow_none and draw(st.booleans()) else values(field)
        )
        for name, field in body().load_fields.items()
        if name not in CURSORS and (field.required or draw(st.booleans()))
    }
    if not is_query and draw(st.integers(0, 3)) == 0:
        name = draw(st.sampled_from([*document, "unknown"]))
        document.pop(name, None)
        if draw(st.booleans()):
            document[name] = draw(MISTAKES)
    return document


def outcome(load: Any, document: Any) -> Any:
    try:
        return load(document)
    except ValidationError as error:
        return error.messages
    except Invalid as error:
        return error.detail, error.extras


@pytest.mark.parametrize("body", bodies(), ids=lambda body: body.__name__)
def test_a_body_is_read_as_marshmallow_does(body: type[Strict]) -> None:
    schema = body()

    @settings(max_examples=15, deadline=None)
    @given(documents(body))
    def read_alike(document: Any) -> None:
        assert outcome(schema.load, document) == outcome(lambda sent: Schema.load(schema, sent), document)

    read_alike()


@pytest.mark.parametrize(
    ("body", "document"), [(VersionBody, examples.REGISTRATION), (StageChangeBody, examples.PROMOTION)]
)
def test_the_bodies_of_deliveries_are_read_by_compiled_functions(body: type[Strict], document: Any) -> None:
    load = loading.compiled(body())

    assert load is not None
    assert load(document) == Schema.load(body(), document)
