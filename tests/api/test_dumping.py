"""What a view shows is the same whether marshmallow dumps it or the function that was made of it."""

from __future__ import annotations

import importlib
import pkgutil
from datetime import UTC
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st
from marshmallow import fields

from registry.api import schemas
from registry.api.dumping import compiled
from registry.domain.stages import Stage
from registry.http.fields import Instant, View

for module in pkgutil.iter_modules(schemas.__path__):
    importlib.import_module(f"{schemas.__name__}.{module.name}")
TEXTS = st.text(max_size=5) | st.sampled_from(Stage)


def views(of: type[View] = View) -> list[type[View]]:
    return sorted({view for one in of.__subclasses__() for view in (one, *views(one))}, key=lambda view: view.__name__)


def values(field: fields.Field[Any]) -> st.SearchStrategy[Any]:
    """What a service may put where *field* looks."""
    if isinstance(field, fields.Nested):
        found: st.SearchStrategy[Any] = st.deferred(lambda: subjects(type(field.schema)))
    elif isinstance(field, fields.List):
        found = st.lists(values(field.inner), max_size=2)
    elif isinstance(field, fields.Dict):
        found = st.dictionaries(TEXTS, values(field.value_field) if field.value_field else st.integers(), max_size=2)
    elif isinstance(field, Instant):
        found = st.datetimes(timezones=st.just(UTC))
    elif isinstance(field, fields.Date):
        found = st.dates()
    elif isinstance(field, fields.Boolean):
        found = st.booleans()
    elif isinstance(field, fields.Float):
        found = st.floats(allow_nan=False) | st.integers(-9, 9)
    elif isinstance(field, fields.Integer):
        found = st.integers()
    elif isinstance(field, fields.Function):
        found = st.binary(max_size=5)
    else:
        found = TEXTS
    return st.none() | found if field.allow_none else found


@st.composite
def subjects(draw: st.DrawFn, view: type[View]) -> Any:
    """Something that the view can show: an object or a mapping, now and then without what it need not have."""
    tree: dict[str, Any] = {}
    for name, field in view().dump_fields.items():
        if isinstance(field, fields.Function) or field.required or draw(st.booleans()):
            *path, last = (field.attribute or name).split(".")
            place = tree
            for step in path:
                place = place.setdefault(step, {})
            place[last] = draw(values(field))
    has_function = any(isinstance(field, fields.Function) for field in view().dump_fields.values())
    return SimpleNamespace(**tree) if has_function or draw(st.booleans()) else tree


@pytest.mark.parametrize("view", views(), ids=lambda view: view.__name__)
def test_the_compiled_view_shows_what_the_schema_does(app: Flask, view: type[View]) -> None:
    @settings(max_examples=10, deadline=None)
    @given(subjects(view))
    def shown_alike(subject: Any) -> None:
        with app.test_request_context("/", base_url="http://registry.test"):
            assert compiled(view())(subject) == view().dump(subject)

    shown_alike()
