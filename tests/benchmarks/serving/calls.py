"""The calls that are measured: the same question to our native API, to our MLflow face and to MLflow."""

from __future__ import annotations

import itertools
import random
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote, urlencode

from tests.benchmarks.serving import catalogue
from tests.benchmarks.serving.catalogue import ALIAS, EACH, REASON, Catalogue
from tests.benchmarks.serving.driving import Check, Request, ask

PAGE = 100
Stream = Iterator[Request]
Maker = Callable[["Server", "Chooser"], Stream]


@dataclass(frozen=True)
class Server:
    """Where to send requests: ``headers`` go with each."""

    port: int
    headers: Mapping[str, str]

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        status: int = 200,
        check: Check | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Request:
        content = b"" if body is None else catalogue.dumped(body)
        named = {"Host": f"127.0.0.1:{self.port}", "Accept": "application/json", **self.headers, **(headers or {})}
        if body is not None:
            named |= {"Content-Type": "application/json", "Content-Length": str(len(content))}
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in named.items()), "", ""]
        return Request("\r\n".join(lines).encode() + content, status, check)


@dataclass(frozen=True)
class Chooser:
    """Chooses the models of one connection; connections of one phase never choose the same for writing."""

    catalogue: Catalogue
    connection: int
    connections: int
    seed: str
    hot: bool = False

    def ordinals(self) -> Iterator[int]:
        """Models at random, without end."""
        chance = random.Random(f"{self.seed}-{self.connection}")
        while True:
            yield chance.randrange(self.catalogue.hot if self.hot else self.catalogue.models)

    def own(self) -> Iterator[int]:
        """Models at random that no other connection of this phase gets."""
        shares = self.catalogue.models // self.connections
        for ordinal in self.ordinals():
            yield ordinal % shares * self.connections + self.connection

    def model(self, ordinal: int) -> str:
        return catalogue.HOT_NAME if self.hot else catalogue.name(ordinal)

    @property
    def each(self) -> int:
        """How many versions each chosen model was filled with."""
        return self.catalogue.hot if self.hot else EACH


@dataclass(frozen=True)
class Call:
    """``kind``: read, write or page, which decides what it is compared with. ``native`` and ``rest`` make requests."""

    name: str
    kind: str
    native: Maker
    rest: Maker | None
    stride: int = 1
    against: str | None = None  # the call of MLflow's that it is compared with, where that is another


def _expect(found: object, wanted: object) -> None:
    if found != wanted:
        raise ValueError(f"{found!r} instead of {wanted!r}")


def _same(model: str, number: int) -> Check:
    return lambda told: _expect((told["model"], told["number"]), (model, number))


def _native_version(server: Server, chooser: Chooser) -> Stream:
    for ordinal in chooser.ordinals():
        model, number = chooser.model(ordinal), 1 + ordinal % chooser.each
        path = f"/api/v1/models/{model}/versions/{number}"
        yield server.request("GET", path, check=_same(model, number))


def _native_alias(server: Server, chooser: Chooser) -> Stream:
    for ordinal in chooser.ordinals():
        model = chooser.model(ordinal)

        def check(told: Any) -> None:
            _expect((told["model"], told["alias"], told["number"]), (model, ALIAS, chooser.each))  # noqa: B023

        yield server.request("GET", f"/api/v1/models/{model}/aliases/{ALIAS}", check=check)


def _native_stage(server: Server, chooser: Chooser) -> Stream:
    for ordinal in chooser.ordinals():
        model = chooser.model(ordinal)
        check = _same(model, chooser.each - 1)
        yield server.request("GET", f"/api/v1/models/{model}/stages/production", check=check)


def _native_unchanged(server: Server, chooser: Chooser) -> Stream:
    """Deployers that poll: each connection asks for a few models whose tags it knows."""
    known = []
    for ordinal in itertools.islice(chooser.ordinals(), 8):
        path = f"/api/v1/models/{chooser.model(ordinal)}/stages/production"
        request = server.request("GET", path, check=_same(chooser.model(ordinal), chooser.each - 1))
        known.append(server.request("GET", path, status=304, headers={"If-None-Match": _etag(server, request)}))
    return itertools.cycle(known)


def _etag(server: Server, request: Request) -> str:
    return ask(server.port, request).header("ETag")


def _native_create(server: Server, chooser: Chooser) -> Stream:
    for ordinal in chooser.ordinals():
        model, run = chooser.model(ordinal), uuid.uuid4().hex
        body = {
            "files": catalogue.as_json(ordinal),
            "description": catalogue.DESCRIPTION,
            "tags": _tags(ordinal, chooser.catalogue),
            "run": {"system": "bench", "id": run},
        }

        def check(told: Any) -> None:
            version = told["version"]
            found = (told["created"], version["model"], version["state"], version["lineage"]["run"]["id"])
            _expect(found, (True, model, "ready", run))  # noqa: B023

        path, key = f"/api/v1/models/{model}/versions", {"Idempotency-Key": run}
        yield server.request("POST", path, body, status=201, check=check, headers=key)


def _native_transition(server: Server, chooser: Chooser) -> Stream:
    for ordinal in chooser.own():
        model, number = chooser.model(ordinal), chooser.each
        for stage in ("none", "staging"):

            def check(told: Any) -> None:
                _expect((told["model"], told["number"], told["target"], told["changed"]),
                        (model, number, stage, True))  # fmt: skip  # noqa: B023

            yield server.request(
                "PUT",
                f"/api/v1/models/{model}/versions/{number}/stage",
                {"stage": stage, "reason": REASON},
                check=check,
                headers={"Idempotency-Key": uuid.uuid4().hex},
            )


def _native_page(
    server: Server, chooser: Chooser, *, path: str, query: Callable[[int, Catalogue], Mapping[str, str]],
    right: Callable[[Any, int, Catalogue], bool],
) -> Stream:  # fmt: skip
    for ordinal in chooser.ordinals():
        asked = urlencode({"limit": PAGE, **query(ordinal, chooser.catalogue)})
        check = partial(_check_page, items="items", ordinal=ordinal, among=chooser.catalogue, right=right)
        model = chooser.model(ordinal)
        yield server.request("GET", f"/api/v1{path.format(model=model)}?{asked}", check=check)


def _check_page(
    told: Any, *, items: str, ordinal: int, among: Catalogue, right: Callable[[Any, int, Catalogue], bool]
) -> None:  # fmt: skip
    found = told[items]
    if not found:
        raise ValueError("an empty page")
    for item in found:
        if not right(item, ordinal, among):
            raise ValueError(f"{item} is not what was asked for")


def _rest(server: Server, method: str, path: str, document: Mapping[str, object], check: Check) -> Request:
    if method == "GET":
        return server.request("GET", f"/api/2.0/mlflow{path}?{urlencode(document)}", check=check)
    return server.request(method, f"/api/2.0/mlflow{path}", document, check=check)


def _same_rest(model: str, number: int) -> Check:
    return lambda told: _expect(
        (told["model_version"]["name"], told["model_version"]["version"]), (model, str(number))
    )  # fmt: skip


def _rest_version(server: Server, chooser: Chooser) -> Stream:
    for ordinal in chooser.ordinals():
        model, number = chooser.model(ordinal), 1 + ordinal % chooser.each
        asked = {"name": model, "version": str(number)}
        yield _rest(server, "GET", "/model-versions/get", asked, _same_rest(model, number))


def _rest_alias(server: Server, chooser: Chooser) -> Stream:
    for ordinal in chooser.ordinals():
        model = chooser.model(ordinal)
        asked = {"name": model, "alias": ALIAS}
        yield _rest(server, "GET", "/registered-models/alias", asked, _same_rest(model, chooser.each))


def _rest_stage(server: Server, chooser: Chooser) -> Stream:
    for ordinal in chooser.ordinals():
        model = chooser.model(ordinal)

        def check(told: Any) -> None:
            found = [(version["name"], version["version"]) for version in told["model_versions"]]
            _expect(found, [(model, str(chooser.each - 1))])  # noqa: B023

        asked = {"name": model, "stages": "Production"}
        yield _rest(server, "GET", "/registered-models/get-latest-versions", asked, check)


def _rest_create(server: Server, chooser: Chooser) -> Stream:
    for ordinal in chooser.ordinals():
        model, run = chooser.model(ordinal), uuid.uuid4().hex
        body = {
            "name": model,
            "source": catalogue.source(model),
            "run_id": run,
            "description": catalogue.DESCRIPTION,
            "tags": [{"key": key, "value": value} for key, value in _tags(ordinal, chooser.catalogue).items()],
        }

        def check(told: Any) -> None:
            _expect((told["model_version"]["name"], told["model_version"]["run_id"]), (model, run))  # noqa: B023

        yield _rest(server, "POST", "/model-versions/create", body, check)


def _rest_transition(server: Server, chooser: Chooser) -> Stream:
    for ordinal in chooser.own():
        model, number = chooser.model(ordinal), chooser.each
        for stage in ("None", "Staging"):

            def check(told: Any) -> None:
                version = told["model_version"]
                _expect((version["name"], version["version"], version["current_stage"]),
                        (model, str(number), stage))  # fmt: skip  # noqa: B023

            body = {"name": model, "version": str(number), "stage": stage, "archive_existing_versions": False}
            yield _rest(server, "POST", "/model-versions/transition-stage", body, check)


def _rest_page(
    server: Server, chooser: Chooser, *, path: str, items: str, query: Callable[[int, Catalogue], Mapping[str, str]],
    right: Callable[[Any, int, Catalogue], bool],
) -> Stream:  # fmt: skip
    for ordinal in chooser.ordinals():
        check = partial(_check_page, items=items, ordinal=ordinal, among=chooser.catalogue, right=right)
        asked = {"max_results": PAGE, **query(ordinal, chooser.catalogue)}
        if chooser.hot and "filter" in asked:
            asked["filter"] = f"name = '{catalogue.HOT_NAME}'"
        yield _rest(server, "GET", path, asked, check)


def _tags(ordinal: int, among: Catalogue) -> dict[str, str]:
    return {
        "team": catalogue.team(ordinal, among),
        "tier": catalogue.TIERS[ordinal % len(catalogue.TIERS)],
        "task": "classification",
    }


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
        partial(_native_page, path=f"/search/{what}", query=natively, right=right),
        partial(_rest_page, path=rest_path, items=items, query=by_rest, right=right),
    )


CALLS = (
    Call("get version", "read", _native_version, _rest_version),
    Call("get by alias", "read", _native_alias, _rest_alias),
    Call("resolve stage", "read", _native_stage, _rest_stage),
    Call("resolve stage, 304", "read", _native_unchanged, None, against="resolve stage"),
    Call("create version", "write", _native_create, _rest_create),
    Call("transition", "write", _native_transition, _rest_transition, stride=2),
    _search("search by tag", _team, _of_team),
    _search("search by common tag", _tier, _of_tier),
    _search("search by name, ordered", _family, _of_family,
            native_order="created_at DESC", rest_order="creation_timestamp DESC"),
    _search("search models", _family, _of_family, what="models",
            native_order="updated_at DESC", rest_order="last_updated_timestamp DESC"),
    Call(
        "search, best metric first", "page",
        partial(_native_page, path="/search/versions", query=lambda ordinal, among: {"order_by": "metrics.auc DESC"},
                right=_measured),
        None,
    ),
    Call(
        "list versions", "page",
        partial(_native_page, path="/models/{model}/versions", query=_ten, right=_of_model),
        partial(_rest_page, path="/model-versions/search", items="model_versions",
                query=_ten_by_name, right=_of_model),
    ),
    Call(
        "list models", "page",
        partial(_native_page, path="/models", query=lambda ordinal, among: {}, right=_any),
        partial(_rest_page, path="/registered-models/search", items="registered_models",
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


def _check_floor(told: Any, *, model: str) -> None:
    _expect(told["name"], model)
