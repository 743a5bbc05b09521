"""Requests to the native API."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import urlencode

from tests.benchmarks.serving import catalogue
from tests.benchmarks.serving.catalogue import ALIAS, REASON, Catalogue
from tests.benchmarks.serving.driving import Check, Request, ask
from tests.benchmarks.serving.streams import PAGE, Chooser, Server, Stream, check_page, expect, tags_of


def _same(model: str, number: int) -> Check:
    return lambda response: expect((response["model"], response["number"]), (model, number))


def version(server: Server, chooser: Chooser) -> Stream:
    for ordinal in chooser.ordinals():
        model, number = chooser.model(ordinal), 1 + ordinal % chooser.each
        path = f"/api/v1/models/{model}/versions/{number}"
        yield server.request("GET", path, check=_same(model, number))


def alias(server: Server, chooser: Chooser) -> Stream:
    for ordinal in chooser.ordinals():
        model = chooser.model(ordinal)

        def check(response: Any) -> None:
            expect((response["model"], response["alias"], response["number"]), (model, ALIAS, chooser.each))  # noqa: B023

        yield server.request("GET", f"/api/v1/models/{model}/aliases/{ALIAS}", check=check)


def stage(server: Server, chooser: Chooser) -> Stream:
    for ordinal in chooser.ordinals():
        model = chooser.model(ordinal)
        check = _same(model, chooser.each - 1)
        yield server.request("GET", f"/api/v1/models/{model}/stages/production", check=check)


def unchanged(server: Server, chooser: Chooser) -> Stream:
    """Deployers that poll: each connection asks for a few models whose ETags it has."""
    known = []
    for ordinal in itertools.islice(chooser.ordinals(), 8):
        path = f"/api/v1/models/{chooser.model(ordinal)}/stages/production"
        request = server.request("GET", path, check=_same(chooser.model(ordinal), chooser.each - 1))
        known.append(server.request("GET", path, status=304, headers={"If-None-Match": _etag(server, request)}))
    return itertools.cycle(known)


def _etag(server: Server, request: Request) -> str:
    return ask(server.port, request).header("ETag")


def create(server: Server, chooser: Chooser) -> Stream:
    for ordinal in chooser.ordinals():
        model, run = chooser.model(ordinal), uuid.uuid4().hex
        body = {
            "files": catalogue.as_json(ordinal),
            "description": catalogue.DESCRIPTION,
            "tags": tags_of(ordinal, chooser.catalogue),
            "run": {"system": "bench", "id": run},
        }

        def check(response: Any) -> None:
            version = response["version"]
            facts = (response["created"], version["model"], version["state"], version["lineage"]["run"]["id"])
            expect(facts, (True, model, "ready", run))  # noqa: B023

        path, key = f"/api/v1/models/{model}/versions", {"Idempotency-Key": run}
        yield server.request("POST", path, body, status=201, check=check, headers=key)


def create_model(server: Server, chooser: Chooser) -> Stream:
    for _ in chooser.ordinals():
        name, key = catalogue.new_name(), {"Idempotency-Key": uuid.uuid4().hex}
        body = {"name": name, "description": catalogue.DESCRIPTION}
        check = _same_name(name)
        yield server.request("POST", "/api/v1/models", body, status=201, check=check, headers=key)


def _same_name(name: str) -> Check:
    return lambda response: expect(response["name"], name)


def set_tag(server: Server, chooser: Chooser) -> Stream:
    for ordinal in chooser.own():
        value, path = uuid.uuid4().hex, f"/api/v1/models/{chooser.model(ordinal)}/versions/{chooser.each}"
        key = {"Idempotency-Key": value}
        yield server.request("PATCH", path, {"tags": {"bench": value}}, check=_same_tag(value), headers=key)


def _same_tag(value: str) -> Check:
    return lambda response: expect(response["tags"]["bench"], value)


def transition(server: Server, chooser: Chooser) -> Stream:
    for ordinal in chooser.own():
        model, number = chooser.model(ordinal), chooser.each
        for stage in ("none", "staging"):

            def check(response: Any) -> None:
                expect((response["model"], response["number"], response["target"], response["changed"]),
                        (model, number, stage, True))  # fmt: skip  # noqa: B023

            yield server.request(
                "PUT",
                f"/api/v1/models/{model}/versions/{number}/stage",
                {"stage": stage, "reason": REASON},
                check=check,
                headers={"Idempotency-Key": uuid.uuid4().hex},
            )


def page(
    server: Server, chooser: Chooser, *, path: str, query: Callable[[int, Catalogue], Mapping[str, str]],
    right: Callable[[Any, int, Catalogue], bool],
) -> Stream:  # fmt: skip
    for ordinal in chooser.ordinals():
        arguments = urlencode({"limit": PAGE, **query(ordinal, chooser.catalogue)})
        check = partial(check_page, items="items", ordinal=ordinal, among=chooser.catalogue, right=right)
        model = chooser.model(ordinal)
        yield server.request("GET", f"/api/v1{path.format(model=model)}?{arguments}", check=check)
