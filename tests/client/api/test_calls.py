"""What the arguments of the client's calls become in a request."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from werkzeug.wrappers import Response

from registry.client import RegistryClient
from tests.client.conftest import FakeRegistry, reply

THEN = datetime(2026, 11, 20, 13, tzinfo=UTC)
# The longest matching beginning of an annotation decides.
SAMPLES: dict[str, Any] = {
    "bool": True, "int": 7, "str | Reference": "fraud:1", "str": "text", "When": THEN, "Expected": 5,
    "Mapping[str, Any]": {"key": 1}, "Sequence[": ["text"], "Iterable[": ["text"], "Stage": "staging",
    "HeldStage": "staging", "Direction": "up", "HoldTarget": "data", "HoldState": "all",
    "Document": {"key": 1}, "Literal[": "staging", "CheckStatus": "passed", "RequestState": "open",
    "Dataset": {"key": 1}, "DataJob": {"key": 1}, "Lifecycle": "open", "JobState": "parked",
}  # fmt: skip
FIELDS = ["number", "model"]
GROUPS = ("models", "versions", "stages", "aliases", "audit", "tokens", "jobs", "search", "overview",
          "lineage", "holds", "requests", "gates")  # fmt: skip
OWN = ("move", "promote", "rollback")
NOT_SENT = {"on_warning", "on_order", "mine", "reference"}  # mine changes the address, a reference is resolved first
WITH_OTHERS = {
    "versions.register",
    "versions.file_url",
    "versions.compare",
    "versions.diff_file",
    "lineage.send_event",
}  # in one argument
HEADERS = {"idempotency_key": "Idempotency-Key", "if_match": "If-Match", "etag": "If-None-Match"}
NAMES = {"for_me": "for", "to": "stage", "metric": "best", "keys": "key", "everything": "all"}


def calls(client: RegistryClient) -> Iterator[tuple[str, Any]]:
    """The methods that send one request with their arguments."""
    for group in GROUPS:
        for name, method in inspect.getmembers(getattr(client, group), inspect.ismethod):
            if not name.startswith("_") and f"{group}.{name}" not in WITH_OTHERS:
                yield f"{group}.{name}", method
    yield from ((name, getattr(client, name)) for name in OWN)


def sample(parameter: inspect.Parameter) -> Any:
    if parameter.name == "format":
        return "csv"
    if parameter.name == "reinstate":
        return False  # sent only where it is not the default
    fitting = max((start for start in SAMPLES if str(parameter.annotation).startswith(start)), key=len)
    return f"{parameter.name}-text" if fitting == "str" else SAMPLES[fitting]


def parameters_of(method: Any) -> Iterator[inspect.Parameter]:
    """The parameters of a method, and those that a ``TypedDict`` of keywords declares."""
    for parameter in inspect.signature(method).parameters.values():
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD:
            yield parameter
            continue
        (declared,) = typing.get_args(typing.get_type_hints(method)[parameter.name])
        for name, annotation in declared.__annotations__.items():
            text = annotation.__forward_arg__ if isinstance(annotation, typing.ForwardRef) else str(annotation)
            yield inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=text)


def test_every_argument_of_a_call_is_sent(registry: FakeRegistry, client: RegistryClient) -> None:
    anything = {
        **dict.fromkeys(("id", "name", "model", "alias"), "fraud"),
        "closed": 1,
        "changed": 1,
        "outcome": "known",
        "digest": "sha256:0",
        "hold": {},
    }  # each view has one
    file = Response("seq\n", content_type="text/csv")
    registry.answers.append(lambda request: file if "format" in request.args else None)
    registry.answers.append(
        lambda request: reply({"items": [], "next_cursor": None, "number": 1, "keys": [], "versions": [], **anything})
    )
    lost, tried = [], 0

    for name, method in calls(client):
        given = {one.name: sample(one) for one in parameters_of(method) if one.name not in NOT_SENT - {"reference"}}
        registry.seen.clear()
        answer = method(**given)
        if isinstance(answer, Iterator):
            list(answer)
        sent = registry.seen[0]
        said = {**sent.args, **(sent.get_json(silent=True) or {})}
        for one in given.keys() - NOT_SENT:
            tried += 1
            if one in HEADERS:
                there = sent.headers.get(HEADERS[one]) == given[one]
            else:
                there = one in said or NAMES.get(one) in said or str(given[one]) in sent.path.split("/")
            if not there:
                lost.append(f"{name}({one}=)")

    assert (lost, tried > 100) == ([], True)


def test_a_search_too_long_for_an_address_is_a_body_and_warns_all_the_same(
    registry: FakeRegistry, client: RegistryClient
) -> None:
    warning = "metrics.auc was measured on several datasets"
    registry.answers.append(lambda request: reply({"items": [], "next_cursor": None, "warnings": [warning]}))
    long = f"run.id IN ({', '.join(repr('0' * 32) for _ in range(200))})"
    said: list[str] = []

    for text in ("name = 'fraud'", long):
        found = client.search.versions(text, order_by="metrics.auc DESC", fields=FIELDS, on_warning=said.append)
        assert list(found) == []
    with pytest.warns(UserWarning, match=warning):
        list(client.search(long, order_by="metrics.auc DESC"))

    assert [(request.method, len(request.url) < 4096) for request in registry.seen] == [
        ("GET", True), ("POST", True), ("POST", True)
    ]  # fmt: skip
    body = {"filter": long, "order_by": "metrics.auc DESC", "fields": FIELDS}
    assert registry.seen[1].get_json().items() >= body.items()
    assert registry.seen[0].args["fields"] == "number,model"
    for wrong in ("number", []):
        with pytest.raises(ValueError, match="fields"):
            client.versions.list("fraud", fields=wrong)
    assert said == [warning] * 2


@pytest.mark.parametrize(
    ("call", "path"),
    [
        (lambda client: client.as_of("fraud", THEN), "stages/production"),
        (lambda client: client.as_of("fraud", THEN, stage="staging"), "stages/staging"),
        (lambda client: client.as_of("fraud@champion", THEN, stage="staging"), "aliases/champion"),
        (lambda client: client.number("fraud#staging", as_of=THEN), "stages/staging"),
        (lambda client: client.resolve("models:/fraud@champion", as_of=THEN), "aliases/champion"),
    ],
)
def test_the_past_is_asked_for_what_is_meant(
    registry: FakeRegistry, client: RegistryClient, call: Any, path: str
) -> None:
    registry.answers.append(lambda request: reply({"number": 1, "model": "fraud"}))

    call(client)

    asked = registry.seen[0]
    assert (asked.path, asked.args["as_of"]) == (f"/api/v1/models/fraud/{path}", "2026-11-20T13:00:00.000000Z")
