"""Requests of MLflow's REST protocol, to the registry or to MLflow."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import urlencode

from tests.benchmarks.serving import catalogue
from tests.benchmarks.serving.catalogue import ALIAS, Catalogue
from tests.benchmarks.serving.driving import Check, Request
from tests.benchmarks.serving.streams import PAGE, Chooser, Server, Stream, check_page, expect, tags_of


def _rest(server: Server, method: str, path: str, document: Mapping[str, object], check: Check) -> Request:
    if method == "GET":
        return server.request("GET", f"/api/2.0/mlflow{path}?{urlencode(document)}", check=check)
    return server.request(method, f"/api/2.0/mlflow{path}", document, check=check)


def _same_rest(model: str, number: int) -> Check:
    return lambda response: expect(
        (response["model_version"]["name"], response["model_version"]["version"]), (model, str(number))
    )  # fmt: skip


def version(server: Server, chooser: Chooser) -> Stream:
    for ordinal in chooser.ordinals():
        model, number = chooser.model(ordinal), 1 + ordinal % chooser.each
        arguments = {"name": model, "version": str(number)}
        yield _rest(server, "GET", "/model-versions/get", arguments, _same_rest(model, number))


def alias(server: Server, chooser: Chooser) -> Stream:
    for ordinal in chooser.ordinals():
        model = chooser.model(ordinal)
        arguments = {"name": model, "alias": ALIAS}
        yield _rest(server, "GET", "/registered-models/alias", arguments, _same_rest(model, chooser.each))


def stage(server: Server, chooser: Chooser) -> Stream:
    for ordinal in chooser.ordinals():
        model = chooser.model(ordinal)

        def check(response: Any) -> None:
            facts = [(version["name"], version["version"]) for version in response["model_versions"]]
            expect(facts, [(model, str(chooser.each - 1))])  # noqa: B023

        arguments = {"name": model, "stages": "Production"}
        yield _rest(server, "GET", "/registered-models/get-latest-versions", arguments, check)


def create(server: Server, chooser: Chooser) -> Stream:
    for ordinal in chooser.ordinals():
        model, run = chooser.model(ordinal), uuid.uuid4().hex
        body = {
            "name": model,
            "source": catalogue.source(model),
            "run_id": run,
            "description": catalogue.DESCRIPTION,
            "tags": [{"key": key, "value": value} for key, value in tags_of(ordinal, chooser.catalogue).items()],
        }

        def check(response: Any) -> None:
            expect((response["model_version"]["name"], response["model_version"]["run_id"]), (model, run))  # noqa: B023

        yield _rest(server, "POST", "/model-versions/create", body, check)


def create_model(server: Server, chooser: Chooser) -> Stream:
    for _ in chooser.ordinals():
        body = {"name": (name := catalogue.new_name()), "description": catalogue.DESCRIPTION}
        yield _rest(server, "POST", "/registered-models/create", body, _same_name(name))


def _same_name(name: str) -> Check:
    return lambda response: expect(response["registered_model"]["name"], name)


def set_tag(server: Server, chooser: Chooser) -> Stream:
    for ordinal in chooser.own():
        named = {"name": chooser.model(ordinal), "version": str(chooser.each)}
        tag = {"key": "bench", "value": uuid.uuid4().hex}
        yield _rest(server, "POST", "/model-versions/set-tag", named | tag, lambda response: expect(response, {}))


def transition(server: Server, chooser: Chooser) -> Stream:
    for ordinal in chooser.own():
        model, number = chooser.model(ordinal), chooser.each
        for stage in ("None", "Staging"):

            def check(response: Any) -> None:
                version = response["model_version"]
                expect((version["name"], version["version"], version["current_stage"]),
                        (model, str(number), stage))  # fmt: skip  # noqa: B023

            body = {"name": model, "version": str(number), "stage": stage, "archive_existing_versions": False}
            yield _rest(server, "POST", "/model-versions/transition-stage", body, check)


def page(
    server: Server, chooser: Chooser, *, path: str, items: str, query: Callable[[int, Catalogue], Mapping[str, str]],
    right: Callable[[Any, int, Catalogue], bool],
) -> Stream:  # fmt: skip
    for ordinal in chooser.ordinals():
        check = partial(check_page, items=items, ordinal=ordinal, among=chooser.catalogue, right=right)
        arguments = {"max_results": PAGE, **query(ordinal, chooser.catalogue)}
        if chooser.hot and "filter" in arguments:
            arguments["filter"] = f"name = '{catalogue.HOT_NAME}'"
        yield _rest(server, "GET", path, arguments, check)
