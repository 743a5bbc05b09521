"""Lists in pages: nothing twice, nothing lost, and no more queries for a longer page."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask

from tests.support.api import Api
from tests.support.paging import walk
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect
from tests.support.statement_counting import counting_statements


@dataclass(frozen=True)
class Listed:
    """A list: how one item comes to it, and what tells two items apart. *first* is arranged before."""

    path: str
    add: Callable[[RegistryBuilder, int], Any]
    identity: Callable[[dict[str, Any]], Any]
    first: Callable[[RegistryBuilder], Any] = lambda registry: registry.model("fraud").version(
        files=[registry.file(b"shared")]
    )


def _version(registry: RegistryBuilder, number: int, **fields: Any) -> None:
    """One more version, of bytes that are there already."""
    body = {
        "files": [registry.file(b"shared")],
        "run": {"system": "ci", "id": str(number), "params": {"depth": "6"}, "metrics": {"auc": 0.5}},
        "datasets": [{"name": name, "digests": ["md5:" + "0f" * 16]} for name in ("train", str(number))],
        "tags": {"number": str(number)},
    }
    registry.model("fraud").version(**{**body, **fields})


def _model(registry: RegistryBuilder, number: int) -> None:
    """One more model, with something of everything."""
    name = f"m{number * 7 % 97:02}"
    registry.create_model(name, tags={"number": str(number)})
    registry.model(name).version(files=[registry.file(b"shared")], stage="staging", aliases=["champion"])


def _alias(registry: RegistryBuilder, number: int) -> None:
    expect(201, registry.client.put(f"/models/fraud/aliases/a{number * 7 % 97:02}", {"version": 1}))


def _move(registry: RegistryBuilder, number: int) -> None:
    """Move an alias to and fro."""
    expect(
        None, registry.client.put("/models/fraud/aliases/champion", {"version": 1 + number % 2, "reason": str(number)})
    )


def _edit(registry: RegistryBuilder, number: int) -> None:
    body = {"description": str(number), "tags": {"number": str(number)}, "reason": "why"}
    expect(200, registry.client.patch("/models/fraud/versions/1", body))


def _measure(registry: RegistryBuilder, number: int) -> None:
    expect(
        201,
        registry.client.post("/models/fraud/versions/1/metrics", {"metrics": {"auc": number / 100}, "step": number}),
    )


def _note(registry: RegistryBuilder, number: int) -> None:
    expect(201, registry.client.post("/models/fraud/versions/1/notes", {"text": str(number)}))


def _report(registry: RegistryBuilder, number: int) -> None:
    report = {"name": f"check-{number}", "status": "passed"}
    expect(201, registry.client.post("/models/fraud/versions/1/checks", report))


def _token(registry: RegistryBuilder, number: int) -> None:
    expect(201, registry.client.post("/tokens", {"owner": f"owner {number}", "roles": ["reader"]}))


def _two_versions(registry: RegistryBuilder) -> None:
    for number in (-1, -2):
        _version(registry, number)


LISTS = {
    "models": Listed("/models", _model, lambda item: item["name"]),
    "deleted models": Listed(
        "/models?deleted=true",
        lambda registry, number: [registry.create_model("gone"), expect(200, registry.client.delete("/models/gone"))],
        lambda item: item["id"],
    ),
    "versions": Listed("/models/fraud/versions", _version, lambda item: item["number"]),
    "versions of a stage": Listed(
        "/models/fraud/versions?stage=archived",
        lambda registry, number: _version(registry, number, stage="archived"),
        lambda item: item["number"],
    ),
    "metrics": Listed("/models/fraud/versions/1/metrics", _measure, lambda item: (item["recorded_at"], item["key"])),
    "notes": Listed("/models/fraud/versions/1/notes", _note, lambda item: item["id"]),
    "checks": Listed("/models/fraud/versions/1/checks", _report, lambda item: item["name"]),
    "aliases": Listed("/models/fraud/aliases", _alias, lambda item: item["alias"]),
    "alias history": Listed(
        "/models/fraud/aliases/champion/history", _move, lambda item: item["since"], first=_two_versions
    ),
    "model history": Listed("/models/fraud/history", _edit, lambda item: item["id"]),
    "version history": Listed("/models/fraud/versions/1/history", _edit, lambda item: item["id"]),
    "audit": Listed("/audit", _edit, lambda item: item["id"]),
    "audit of a model": Listed("/audit?model=fraud", _edit, lambda item: item["id"]),
    "found models": Listed("/search/models?filter=name LIKE 'm%25'", _model, lambda item: item["name"]),
    "found versions": Listed(
        "/search/versions?filter=name = 'fraud'&order_by=tags.number,run.id DESC",
        _version,
        lambda item: item["number"],
    ),
    "tokens": Listed("/tokens", _token, lambda item: item["id"]),
}


def arrange(registry: RegistryBuilder, listed: Listed, count: int, start: int = 0) -> None:
    for number in range(start, start + count):
        listed.add(registry, number)


@pytest.mark.parametrize("name", LISTS)
def test_pages_of_any_size_make_up_the_whole_list(api: Api, registry: RegistryBuilder, name: str) -> None:
    listed = LISTS[name]
    listed.first(registry)
    arrange(registry, listed, 5)
    whole = expect(200, api.get(listed.path))

    pages = [walk(api, listed.path, limit=limit) for limit in (1, 2, 3, len(whole["items"]), 200)]

    assert whole["next_cursor"] is None
    assert len({listed.identity(item) for item in whole["items"]}) == len(whole["items"]) >= 5
    assert pages == [whole["items"]] * 5


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("limit", [1, 3])
def test_what_is_added_between_pages_neither_hides_nor_repeats_an_item(
    api: Api, registry: RegistryBuilder, name: str, limit: int
) -> None:
    listed = LISTS[name]
    listed.first(registry)
    arrange(registry, listed, 5)
    before = [listed.identity(item) for item in expect(200, api.get(listed.path))["items"]]
    numbers = itertools.count(5)

    def disturb() -> None:
        if (number := next(numbers)) < 12:
            listed.add(registry, number)

    seen = [listed.identity(item) for item in walk(api, listed.path, limit=limit, between=disturb)]

    assert len(seen) == len(set(seen))
    assert [item for item in seen if item in set(before)] == before


def test_what_is_deleted_between_pages_hides_nothing_else(api: Api, registry: RegistryBuilder) -> None:
    for number in range(6):
        registry.create_model(f"m{number}")
    doomed = iter(["m1", "m0", "m4"])

    seen = walk(api, "/models", limit=2, between=lambda: expect(200, api.delete(f"/models/{next(doomed)}")))

    assert [item["name"] for item in seen] == ["m0", "m1", "m2", "m3", "m4", "m5"]


@pytest.mark.parametrize("name", LISTS)
def test_a_longer_page_needs_no_more_statements(app: Flask, api: Api, registry: RegistryBuilder, name: str) -> None:
    listed = LISTS[name]
    listed.first(registry)
    arrange(registry, listed, 3)
    mark = "&" if "?" in listed.path else "?"
    # The token's last use is noted once a day. The item is known then; both other pages have items that are not.
    expect(200, api.get(f"{listed.path}{mark}limit=1"))

    counts = []
    for limit in (2, 9):
        arrange(registry, listed, 9 if limit == 9 else 0, start=3)
        with counting_statements(app) as statements:
            page = expect(200, api.get(f"{listed.path}{mark}limit={limit}"))
        assert len(page["items"]) == limit
        counts.append(len(statements))

    assert counts[0] == counts[1]
    assert counts[0] <= 14


@pytest.mark.parametrize("path", ["/models/fraud", "/models/fraud/versions/1", "/models/fraud/stages"])
def test_a_description_needs_no_more_statements_for_more_versions(
    app: Flask, api: Api, registry: RegistryBuilder, path: str
) -> None:
    registry.model("fraud").version(stage="staging")
    expect(200, api.get(path))

    counts = []
    for more in (0, 10):
        for number in range(more):
            _version(registry, number, stage="staging")
        with counting_statements(app) as statements:
            expect(200, api.get(path))
        counts.append(len(statements))

    assert counts[0] == counts[1]


@pytest.mark.parametrize(
    ("limit", "status"), [(1, 200), (200, 200), (201, 422), (0, 422), (-1, 422), ("", 422), ("1.5", 422)]
)
@pytest.mark.parametrize("path", ["/models", "/audit", "/tokens"])
def test_a_page_has_two_hundred_items_at_most(api: Api, path: str, limit: Any, status: int) -> None:
    response = api.get(f"{path}?limit={limit}")

    assert response.status_code == status


def test_a_page_has_fifty_items_by_default(api: Api, registry: RegistryBuilder) -> None:
    for number in range(51):
        registry.create_model(f"m{number}")

    page = expect(200, api.get("/models"))

    assert (len(page["items"]), page["next_cursor"] is None) == (50, False)


@pytest.mark.parametrize("damage", ["x", "cut", "flip", "elsewhere"])
def test_a_cursor_is_good_only_as_it_was_given_and_where(api: Api, registry: RegistryBuilder, damage: str) -> None:
    registry.create_model("a")
    registry.create_model("b")
    cursor = expect(200, api.get("/models?limit=1"))["next_cursor"]
    flipped = ("B" if cursor[0] == "A" else "A") + cursor[1:]
    path = "/tokens" if damage == "elsewhere" else "/models"
    wrong = {"x": "x", "cut": cursor[:-1], "flip": flipped, "elsewhere": cursor}[damage]

    problem = expect(400, api.get(path, query_string={"cursor": wrong}))

    assert problem["code"] == "malformed"
