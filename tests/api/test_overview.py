"""All models at once: what serves and served, what changed, what needs attention."""

from __future__ import annotations

import csv
import io
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from registry.db.models import Blob, Version
from registry.db.session import transaction
from registry.services.maintenance.heartbeats import Pulse
from tests.api.test_stages_as_of import TICK, wire
from tests.support.api import Api
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect
from tests.support.sealing import seal_all

LINEAGE: dict[str, Any] = {
    "code": {"repo": "https://git.example.com/risk", "commit": "7b1d0f6e2c9a", "dirty": False},
    "datasets": [{"name": "payments", "digests": [f"sha256:{'ab' * 32}"], "role": "train"}],
}


def inventory(api: Api, **query: Any) -> Any:
    return expect(200, api.get("/inventory", query_string=query))


def holders(api: Api, **query: Any) -> list[tuple[str, int, int | None]]:
    """Name, version and present holder of each item, read page by page."""
    found, page = [], inventory(api, **query)
    while True:
        found += [(item["model"], item["number"], item["now"]) for item in page["items"]]
        if page["next_cursor"] is None:
            return found
        page = inventory(api, **query | {"cursor": page["next_cursor"]})


def test_the_inventory_has_who_serves_now_and_at_each_change(api: Api, registry: RegistryBuilder) -> None:
    registry.create_model("pricing", tags={"team": "shop"})
    registry.model("fraud").version(stage="production")
    registry.model("pricing").version(stage="production")
    registry.model("fraud").version(stage="staging")
    moved = registry.model("fraud").move(2, "production", reason="better")
    registry.model("fraud").version(stage="staging")

    now = inventory(api)
    (fraud, _) = now["items"]
    first = inventory(api, as_of=now["previous_change"])
    (entry,) = [one for one in expect(200, api.get("/changes"))["items"] if one["id"] == fraud["entry"]]

    assert holders(api, limit=1) == [("fraud", 2, 2), ("pricing", 1, 1)]
    assert holders(api, stage="staging") == [("fraud", 3, 3)]
    assert holders(api, filter="tags.team = 'shop'") == [("pricing", 1, 1)]
    assert (fraud["since"], fraud["reason"], fraud["staged"], fraud["damaged"]) == (moved["at"], "better", 3, False)
    assert (entry["action"], entry["after"]["production"]) == ("version.promoted", 2)
    assert (now["since"], now["next_change"], now["warnings"]) == (moved["at"], None, [])
    assert holders(api, as_of=now["previous_change"], limit=1) == [("fraud", 1, 2), ("pricing", 1, 1)]
    assert (first["next_change"], first["items"][0]["until"]) == (moved["at"], moved["at"])
    assert holders(api, as_of=first["previous_change"]) == [("fraud", 1, 2)]
    assert holders(api, as_of=wire(moved["at"], -TICK)) == [("fraud", 1, 2), ("pricing", 1, 1)]


def test_the_inventory_of_the_past_has_models_that_were_renamed_or_deleted_since(
    api: Api, registry: RegistryBuilder
) -> None:
    registry.model("scorer").version(stage="production")
    then = wire(inventory(api)["since"])
    registry.create_model("loose", lifecycle="open")
    registry.model("loose").version(stage="production")
    loose = inventory(api)["since"]
    expect(200, api.delete("/models/loose"))
    deleted = inventory(api)["since"]

    before, after = holders(api, as_of=wire(deleted, -TICK)), holders(api, as_of=deleted)

    assert (before, after) == ([("loose", 1, None), ("scorer", 1, 1)], [("scorer", 1, 1)])
    assert deleted > loose
    assert [item["named"] for item in inventory(api, as_of=then)["items"]] == ["scorer"]


def test_an_empty_inventory_of_the_past_says_why(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(stage="production")
    since = inventory(api)["since"]

    before = inventory(api, as_of=wire(since, -TICK))
    filtered = inventory(api, as_of=since, filter="name = 'fraud' AND lifecycle = 'open'")
    refused = api.get("/inventory", query_string={"as_of": "9999-01-01T00:00:00Z"})

    assert before["items"] == []
    assert before["warnings"] == [
        f"no version of any model held production at {wire(since, -TICK)}; the first to hold it began at {since}"
    ]
    assert filtered["warnings"][0].startswith("no version of a model that the filter describes held production at")
    assert "is in the future; give a time that has passed" in expect(422, refused)["detail"]
    assert api.get("/inventory?filter=nam = 'x'").status_code == 422
    assert api.get("/inventory?format=csv&filter=nam = 'x'").status_code == 422


def test_the_inventory_is_exported_whole(api: Api, registry: RegistryBuilder) -> None:
    for name in ("=cmd", "fraud"):
        registry.model(name).version(stage="production")

    exported = api.get("/inventory?format=csv&limit=1")
    rows = list(csv.DictReader(io.StringIO(exported.get_data(as_text=True))))

    assert exported.content_type == "text/csv; charset=utf-8"
    assert [(row["model"], row["number"], row["now"]) for row in rows] == [("'=cmd", "1", "1"), ("fraud", "1", "1")]


def test_changes_are_those_of_models_newest_first(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(stage="production")
    registry.create_model("other")
    expect(201, api.post("/tokens", json={"owner": "ci", "roles": ["reader"]}))

    everything = expect(200, api.get("/changes"))["items"]
    page = expect(200, api.get("/changes?limit=1"))
    rest = expect(200, api.get(f"/changes?cursor={page['next_cursor']}"))

    assert [entry["action"] for entry in everything] == [
        "model.created", "version.promoted", "version.promoted", "version.registered", "model.created",
    ]  # fmt: skip
    assert page["items"] + rest["items"] == everything
    assert [entry["model"] for entry in expect(200, api.get("/changes?model=other"))["items"]] == ["other"]
    assert len(expect(200, api.get("/changes?action=version.promoted"))["items"]) == 2
    for unknown in ("model=no", "action=no", "actor=no"):
        assert expect(400, api.get(f"/changes?{unknown}"))["code"] == "unknown_value"


def test_a_poll_of_changes_is_unchanged_until_a_model_changes_or_entries_are_sealed(
    app: Flask, api: Api, registry: RegistryBuilder
) -> None:
    registry.create_model("fraud")
    tag = api.get("/changes").headers["ETag"]

    def poll() -> int:
        return api.get("/changes", headers={"If-None-Match": tag}).status_code

    expect(201, api.post("/tokens", json={"owner": "ci", "roles": ["reader"]}))
    assert poll() == 304
    registry.create_model("other")
    assert poll() == 200
    tag = api.get("/changes").headers["ETag"]
    assert poll() == 304
    seal_all(app, signer=None)
    assert poll() == 200
    assert "ETag" not in api.get("/changes?limit=1").headers


def attention(api: Api) -> list[tuple[str, str, int, str]]:
    items = expect(200, api.get("/attention"))["items"]
    return [(item["kind"], item["model"], item["version"], item["text"]) for item in items]


def test_nothing_needs_attention_while_all_is_recorded_and_whole(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(stage="production", **LINEAGE)
    registry.model("fraud").version(stage="staging")

    assert expect(200, api.get("/attention")) == {"items": [], "more": [], "requests": []}


def test_damaged_pending_failed_and_unrecorded_versions_need_attention(
    app: Flask, api: Api, registry: RegistryBuilder
) -> None:
    whole, lost, wrong = (registry.file(path=f"{name}.bin") for name in "abc")
    registry.model("damaged").version(stage="production", files=[whole, lost, wrong], **LINEAGE)
    for name in ("ready",):
        registry.model(name).version(**LINEAGE)
    dirty = LINEAGE | {"code": LINEAGE["code"] | {"dirty": True}}
    registry.model("dirty").version(stage="production", **dirty)
    registry.model("bare").version(stage="production", code=dirty["code"])
    change(app, Blob.sha256 == lost["sha256"], damage="missing")
    change(app, Blob.sha256 == wrong["sha256"], damage="corrupt")

    assert attention(api) == [
        ("damaged", "damaged", 1, "1 of 3 files is missing from the store, and 1 of 3 files is corrupt"),
        ("unrecorded", "bare", 1, "it is in production without training data and with uncommitted code"),
        ("unrecorded", "dirty", 1, "it is in production with uncommitted code"),
    ]
    assert [item["damaged"] for item in inventory(api)["items"]] == [False, True, False]


def change(app: Flask, which: Any, **values: Any) -> None:
    """Change rows without the service, as time or a worker does."""
    with app.app_context(), transaction() as session:
        session.execute(update(which.left.table).where(which).values(**values))


@pytest.mark.parametrize("alive", [True, False])
def test_a_version_that_is_pending_for_long_says_whether_a_worker_is_alive(
    app: Flask, api: Api, registry: RegistryBuilder, alive: bool
) -> None:
    registry.model("fraud").version()
    registry.model("fraud").version()
    now = datetime.fromisoformat(expect(200, api.get("/models/fraud"))["created_at"])
    change(app, Version.__table__.c.number == 1, state="pending", created_at=now - timedelta(minutes=11))
    change(app, Version.__table__.c.number == 2, state="pending", created_at=now - timedelta(minutes=8))
    with app.app_context():
        Pulse("worker").beat(doing=[], failing=[], stopped=not alive)

    assert attention(api) == [
        ("waiting", "fraud", 1, f"its files are not verified yet; {'a' if alive else 'no'} worker is alive")
    ]
