"""The calls that are measured: the same question to the native API, to the MLflow face and to MLflow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import quote

from tests.benchmarks.serving import catalogue
from tests.benchmarks.serving import mlflow_requests as mlflow
from tests.benchmarks.serving import native_requests as native
from tests.benchmarks.serving.catalogue import EACH, Catalogue
from tests.benchmarks.serving.streams import Call, Chooser, Server, Stream, expect


def _team(ordinal: int, among: Catalogue) -> str:
    return f"tags.team = '{catalogue.team(ordinal, among)}'"


def _tier(ordinal: int, among: Catalogue) -> str:
    return f"tags.tier = '{catalogue.TIERS[ordinal % len(catalogue.TIERS)]}'"


def _family(ordinal: int, among: Catalogue) -> str:
    """The names of ten models begin so."""
    return f"name LIKE '{catalogue.name(ordinal)[:-1]}%'"


def _tag(item: Any, key: str) -> str:
    tags = item["tags"]
    return str(tags[key] if isinstance(tags, dict) else {tag["key"]: tag["value"] for tag in tags}[key])


def _ten(ordinal: int, among: Catalogue) -> Mapping[str, str]:
    return {"limit": str(EACH)}


def _ten_by_name(ordinal: int, among: Catalogue) -> Mapping[str, str]:
    return {"filter": f"name = '{catalogue.name(ordinal)}'", "max_results": str(EACH)}


def _of_team(item: Any, ordinal: int, among: Catalogue) -> bool:
    return _tag(item, "team") == catalogue.team(ordinal, among)


def _of_tier(item: Any, ordinal: int, among: Catalogue) -> bool:
    return _tag(item, "tier") == catalogue.TIERS[ordinal % len(catalogue.TIERS)]


def _of_family(item: Any, ordinal: int, among: Catalogue) -> bool:
    return str(item.get("model", item.get("name"))).startswith(catalogue.name(ordinal)[:-1])


def _of_model(item: Any, ordinal: int, among: Catalogue) -> bool:
    return str(item.get("model", item.get("name"))) in (catalogue.name(ordinal), catalogue.HOT_NAME)


def _measured(item: Any, ordinal: int, among: Catalogue) -> bool:
    return "auc" in item["metrics"]


def _any(item: Any, ordinal: int, among: Catalogue) -> bool:
    return str(item["name"]).startswith((catalogue.PREFIX, catalogue.HOT_NAME))


def _search(
    name: str, filter: Callable[[int, Catalogue], str], right: Callable[[Any, int, Catalogue], bool], *,
    what: str = "versions", native_order: str = "", rest_order: str = "",
) -> Call:  # fmt: skip
    rest_path, items = {
        "versions": ("/model-versions/search", "model_versions"),
        "models": ("/registered-models/search", "registered_models"),
    }[what]

    def natively(ordinal: int, among: Catalogue) -> Mapping[str, str]:
        return {"filter": filter(ordinal, among)} | ({"order_by": native_order} if native_order else {})

    def by_rest(ordinal: int, among: Catalogue) -> Mapping[str, str]:
        return {"filter": filter(ordinal, among)} | ({"order_by": rest_order} if rest_order else {})

    return Call(
        name,
        "page",
        partial(native.page, path=f"/search/{what}", query=natively, right=right),
        partial(mlflow.page, path=rest_path, items=items, query=by_rest, right=right),
    )


CALLS = (
    Call("get version", "read", native.version, mlflow.version),
    Call("get by alias", "read", native.alias, mlflow.alias),
    Call("resolve stage", "read", native.stage, mlflow.stage),
    Call("resolve stage, 304", "read", native.unchanged, None, against="resolve stage"),
    Call("create version", "write", native.create, mlflow.create),
    Call("create model", "write", native.create_model, mlflow.create_model),
    Call("set tag", "write", native.set_tag, mlflow.set_tag),
    Call("transition", "write", native.transition, mlflow.transition, stride=2),
    _search("search by tag", _team, _of_team),
    _search("search by common tag", _tier, _of_tier),
    _search("search by name, ordered", _family, _of_family,
            native_order="created_at DESC", rest_order="creation_timestamp DESC"),
    _search("search models", _family, _of_family, what="models",
            native_order="updated_at DESC", rest_order="last_updated_timestamp DESC"),
    Call(
        "search, best metric first", "page",
        partial(native.page, path="/search/versions", query=lambda ordinal, among: {"order_by": "metrics.auc DESC"},
                right=_measured),
        None,
    ),
    Call(
        "list versions", "page",
        partial(native.page, path="/models/{model}/versions", query=_ten, right=_of_model),
        partial(mlflow.page, path="/model-versions/search", items="model_versions",
                query=_ten_by_name, right=_of_model),
    ),
    Call(
        "list models", "page",
        partial(native.page, path="/models", query=lambda ordinal, among: {}, right=_any),
        partial(mlflow.page, path="/registered-models/search", items="registered_models",
                query=lambda ordinal, among: {}, right=_any),
    ),
)  # fmt: skip


def floor_reads(server: Server, chooser: Chooser) -> Stream:
    for ordinal in chooser.ordinals():
        model = catalogue.name(ordinal)
        yield server.request("GET", f"/{quote(model)}", check=partial(_check_floor, model=model))


def floor_writes(server: Server, chooser: Chooser) -> Stream:
    for ordinal in chooser.ordinals():
        model = catalogue.name(ordinal)
        yield server.request("POST", f"/{quote(model)}", {}, check=partial(_check_floor, model=model))


def _check_floor(response: Any, *, model: str) -> None:
    expect(response["name"], model)
