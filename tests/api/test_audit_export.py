"""An export says what it has: its filter, its time, which entries are complete, and the checkpoint that signs them."""

from __future__ import annotations

import base64
import csv
import io
import json
from datetime import datetime
from typing import Any

import pytest
from flask import Flask

from registry.rules.audit_log.entries import leaf_data
from registry.rules.audit_log.tree import CompactRange, leaf_hash
from tests.support.api import Api
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect
from tests.support.sealing import require_whole, seal_all


def text_of(api: Api, query: str) -> str:
    response = api.get(f"/audit?{query}")
    assert response.status_code == 200
    return str(response.get_data(as_text=True))


def read_json(api: Api, query: str = "") -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The header and the entries of an export in JSON lines."""
    head, *entries = [json.loads(line) for line in text_of(api, f"format=jsonl{query}").splitlines()]
    return head["export"], entries


def read_csv(api: Api, query: str = "") -> tuple[dict[str, Any], list[dict[str, str]]]:
    """The header and the rows of an export in CSV."""
    lines, head = text_of(api, f"format=csv{query}").splitlines(keepends=True), {}
    while lines[0].startswith("# "):
        head |= json.loads(lines.pop(0).removeprefix("# "))
    return head, list(csv.DictReader(io.StringIO("".join(lines), newline="")))


def test_an_export_begins_with_its_time_its_filter_and_the_latest_checkpoint(
    app: Flask, api: Api, registry: RegistryBuilder
) -> None:
    registry.model("fraud").version()
    seal_all(app)
    (checkpoint,) = require_whole(app).checkpoints
    query = "&action=model.created&model=fraud&since=2020-01-01T00:00:00Z"

    head, entries = read_json(api, query)
    csv_head, rows = read_csv(api, query)

    made_at = datetime.fromisoformat(head.pop("at"))
    assert datetime.fromisoformat(entries[0]["at"]) <= made_at <= datetime.fromisoformat(csv_head.pop("at"))
    assert head == csv_head
    assert head["filter"] == {
        "action": "model.created", "model": "fraud", "since": "2020-01-01T00:00:00.000000Z",
    }  # fmt: skip
    assert (head["after"], head["sealed"]) == (None, checkpoint.size)
    assert "below `sealed`" in head["counts"]
    signed = head["checkpoint"]
    assert (signed["origin"], signed["size"]) == (checkpoint.origin, checkpoint.size)
    assert base64.b64decode(signed["root"]) == checkpoint.root
    assert signed["note"].startswith(checkpoint.text)
    assert [row["id"] for row in rows] == [entry["id"] for entry in entries]


def test_the_entries_of_a_whole_export_make_the_root_of_its_checkpoint(
    app: Flask, api: Api, registry: RegistryBuilder
) -> None:
    registry.model("fraud").version(stage="production")
    seal_all(app)
    registry.create_model("unsealed")

    head, entries = read_json(api)

    sealed = sorted((entry for entry in entries if entry["position"] is not None), key=lambda one: one["position"])
    assert [entry["position"] for entry in sealed] == list(range(head["sealed"]))
    assert [entry["model"] for entry in entries if entry["position"] is None] == ["unsealed"]
    tree = CompactRange()
    for entry in sealed[: head["checkpoint"]["size"]]:
        tree.append(leaf_hash(leaf_data(base64.b64decode(entry["body"]))))
    assert tree.root() == base64.b64decode(head["checkpoint"]["root"])


def test_without_a_key_the_header_has_no_checkpoint(app: Flask, api: Api, registry: RegistryBuilder) -> None:
    registry.create_model("fraud")
    before, _ = read_json(api)

    seal_all(app, signer=None)
    head, entries = read_json(api)

    assert (before["sealed"], before["checkpoint"]) == (0, None)
    assert (head["sealed"], head["checkpoint"]) == (len(entries), None)


def test_what_continues_a_file_has_a_header_only_when_asked_for(
    app: Flask, api: Api, registry: RegistryBuilder
) -> None:
    registry.create_model("a")
    pin = seal_all(app)
    begun = api.get("/audit?format=jsonl&after=start")
    first = json.loads(begun.get_data(as_text=True).splitlines()[0])["export"]
    after = begun.headers["X-Audit-Next-After"]
    registry.create_model("b")
    seal_all(app, pin)

    head, entries = read_json(api, f"&after={after}&header=true")

    assert (first["after"], head["after"]) == ("start", after)
    assert [entry["model"] for entry in entries] == ["b"]
    assert [entry["position"] for entry in entries] == list(range(first["sealed"], head["sealed"]))
    assert json.loads(text_of(api, f"format=jsonl&after={after}"))["model"] == "b"
    for query in ("", f"&after={after}", "&after=start"):
        assert text_of(api, f"format=csv&header=false{query}").startswith("at,action,")
    assert text_of(api, f"format=csv&after={after}").startswith("at,action,")


@pytest.mark.parametrize("name", ["x,=cmd", "x, +cmd", "x;-cmd", "=x|+cmd"])
def test_no_filter_in_the_header_of_a_table_is_a_formula(api: Api, registry: RegistryBuilder, name: str) -> None:
    registry.create_model(name)

    response = api.get("/audit", query_string={"format": "csv", "model": name})

    comments = [line for line in response.get_data(as_text=True).splitlines() if line.startswith("# ")]
    assert [json.loads(line[2:]) for line in comments][1] == {"filter": {"model": name}}
    cells = [
        cell for line in comments for row in csv.reader([line.replace(";", ",").replace("|", ",")]) for cell in row
    ]
    assert [cell for cell in cells if cell.strip().startswith(("=", "+", "-", "@"))] == []


def test_a_header_is_wanted_or_not(api: Api) -> None:
    assert expect(422, api.get("/audit?format=csv&header=maybe"))["code"] == "invalid"
