"""How answers are shown, and as which rows."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest

from registry.client import RegistryClient, records, types

from .conftest import Registry, reply

VERSION: dict[str, Any] = {
    "model": "fraud", "number": 3, "state": "ready", "state_reason": None, "stage": "production", "rolled_back": False,
    "manifest_digest": "sha256:1", "file_count": 2, "size": 1_300_000, "description": "", "tags": {"team": "risk"},
    "aliases": ["champion"], "params": {"depth": "6"}, "metrics": {"auc": 0.93456789}, "framework": None,
    "signature": None,
    "lineage": {"run": {"system": "ci", "id": "7"}, "code": None, "environment": None, "datasets": [
        {"name": "train.csv", "digests": []}, {"name": "test.csv", "digests": []}], "parents": []},
    "source": None, "claimed": None, "created_at": "2026-11-21T13:05:02.123456Z", "created_by": "alice",
}  # fmt: skip
MOVED = {"model": "fraud", "number": 3, "source": "staging", "target": "production", "changed": True,
         "dry_run": False, "displaced": 2, "version": VERSION}  # fmt: skip
HELD = {"model": "fraud", "number": 3, "since": "2026-11-21T13:05:02.123456Z", "until": None, "actor": "alice"}
SHOWN = "<fraud:3 ready, production, 2 files, 1.2 MiB, @champion, auc=0.9346>"


@pytest.mark.parametrize(
    ("shape", "answer", "expected"),
    [
        (types.VersionView, VERSION, SHOWN),
        (types.RegisteredView, {"created": True, "version": VERSION, "updated": []}, f"<created {SHOWN}>"),
        (types.MovedView, MOVED, "<fraud:3 staging -> production, instead of 2>"),
        (types.MovedView, {**MOVED, "changed": False}, "<fraud:3 is in production already>"),
        (
            types.HolderView,
            {**HELD, "stage": "production"},
            "<fraud:3 production since 2026-11-21T13:05:02Z, by alice>",
        ),
        (types.AliasView, {**HELD, "alias": "champion"}, "<fraud:3 @champion since 2026-11-21T13:05:02Z, by alice>"),
        (types.FileView, {"path": "a.bin", "size": 10, "sha256": "a" * 64}, f"<a.bin, 10 B, sha256:{'a' * 12}…>"),
        (types.VersionView, {"model": "fraud"}, "{'model': 'fraud'}"),
        (types.MeView, {"name": "alice"}, "{'name': 'alice'}"),
    ],
)
def test_an_answer_is_shown_in_short(shape: Any, answer: dict[str, Any], expected: str) -> None:
    record = records.of(shape, answer)

    assert repr(record) == expected
    assert record == answer
    assert json.loads(json.dumps(record)) == pickle.loads(pickle.dumps(record)) == copy.deepcopy(record) == answer


def test_lists_and_answers_of_calls_are_shown_in_short(registry: Registry, client: RegistryClient) -> None:
    registry.answers.append(
        lambda request: (
            reply({"items": [VERSION], "next_cursor": None}) if request.path.endswith("/versions") else reply(VERSION)
        )
    )

    assert repr([*client.versions.list("fraud")]) == f"[{SHOWN}]"
    assert repr(client.versions.get("fraud", 3)) == SHOWN


def test_versions_are_flat_rows(registry: Registry, client: RegistryClient) -> None:
    registry.answers.append(lambda request: reply({"items": [VERSION], "next_cursor": None}))

    (row,) = client.versions("fraud")

    assert {name: row[name] for name in ("number", "metrics.auc", "params.depth", "tags.team", "run", "datasets")} == {
        "number": 3, "metrics.auc": 0.93456789, "params.depth": "6", "tags.team": "risk", "run": "7",
        "datasets": "train.csv,test.csv",
    }  # fmt: skip
    assert all(value is None or isinstance(value, str | int | float) for value in row.values())
