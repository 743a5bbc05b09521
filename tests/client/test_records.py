"""How answers are shown, and as which rows."""

from __future__ import annotations

import copy
import json
import pickle
from datetime import datetime
from typing import Any

import pytest

from registry.client import RegistryClient, comparison, records, types
from tests.client.conftest import FakeRegistry, reply

VERSION: dict[str, Any] = {
    "model": "fraud", "number": 3, "state": "ready", "state_reason": None, "stage": "production", "rolled_back": False,
    "manifest_digest": "sha256:1", "file_count": 2, "size": 1_300_000, "description": "", "tags": {"team": "risk"},
    "aliases": ["champion"], "params": {"depth": "6"}, "metrics": {"auc": 0.93456789}, "framework": None,
    "signature": None,
    "lineage": {"run": {"system": "ci", "id": "7"}, "code": None, "environment": None, "datasets": [
        {"name": "train.csv", "digests": []}, {"name": "test.csv", "digests": []}], "parents": []},
    "source": None, "claimed": None, "created_at": "2026-11-21T13:05:02.123456Z", "created_by": "alice",
}  # fmt: skip
TEST, TRAIN = "sha256:" + "1" * 64, "sha256:" + "2" * 64
EVALUATIONS = [
    {"metric": "auc", "value": 0.99, "dataset_digest": TRAIN, "dataset_name": "train.csv"},
    {"metric": "auc", "value": 0.93456789, "dataset_digest": None, "dataset_name": None},
]
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
        (
            types.VersionView,
            VERSION | {"metrics": {str(number): 1.0 for number in range(9)}},
            SHOWN.replace("auc=0.9346", "0=1, 1=1, 2=1, 3=1, 4=1, 5=1, …"),
        ),
        (types.VersionView, VERSION | {"run_state": "unfinished"}, SHOWN.replace("ready", "ready, run unfinished")),
        (types.VersionView, VERSION | {"damaged": True}, SHOWN.replace("ready", "ready, damaged")),
        (
            types.FileView,
            {"path": "a.bin", "size": 10, "sha256": "a" * 64, "damage": "missing"},
            f"<a.bin, 10 B, sha256:{'a' * 12}…, missing>",
        ),
        (types.VersionView, {"model": "fraud"}, "{'model': 'fraud'}"),
        (types.MeView, {"name": "alice"}, "{'name': 'alice'}"),
    ],
)
def test_an_answer_is_shown_in_short(shape: Any, answer: dict[str, Any], expected: str) -> None:
    record = records.of(shape, answer)

    assert repr(record) == expected
    assert record == answer
    assert json.loads(json.dumps(record)) == pickle.loads(pickle.dumps(record)) == copy.deepcopy(record) == answer


def test_lists_and_answers_of_calls_are_shown_in_short(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.answers.append(
        lambda request: (
            reply({"items": [VERSION], "next_cursor": None}) if request.path.endswith("/versions") else reply(VERSION)
        )
    )

    assert repr([*client.versions.list("fraud")]) == f"[{SHOWN}]"
    assert repr(client.versions.get("fraud", 3)) == SHOWN


def test_versions_are_flat_rows(registry: FakeRegistry, client: RegistryClient) -> None:
    version = VERSION | {
        "run_state": "unfinished",
        "evaluations": EVALUATIONS,
        "lineage": VERSION["lineage"] | {"code": {"commit": "c0ffee"}},
    }
    registry.answers.append(lambda request: reply({"items": [version], "next_cursor": None}))

    (row,) = client.versions("fraud", stage="production", state="ready")

    assert dict(registry.seen[0].args).items() >= {"stage": "production", "state": "ready"}.items()
    assert row.items() >= {
        "number": 3, "metrics.auc": 0.93456789, "params.depth": "6", "tags.team": "risk", "run": "7",
        "run_state": "unfinished",
        "datasets": "train.csv,test.csv", "aliases": "champion", "commit": "c0ffee", f"metrics.auc@{TRAIN}": 0.99,
    }.items()  # fmt: skip
    assert row.pop("created_at") == datetime.fromisoformat(VERSION["created_at"])
    assert all(value is None or isinstance(value, str | int | float) for value in row.values())


def test_versions_are_compared_by_their_bytes_their_facts_and_on_the_same_data() -> None:
    def files(**digests: str) -> Any:
        return [{"path": path, "sha256": digest} for path, digest in digests.items()]

    old: Any = VERSION | {"evaluations": EVALUATIONS}
    new: Any = VERSION | {
        "number": 4, "metrics": {"auc": 0.95, "loss": 0.1}, "tags": {}, "evaluations": [
            {"metric": "auc", "value": 0.95, "dataset_digest": TEST, "dataset_name": "test.csv"}],
        "lineage": VERSION["lineage"] | {"parents": [{"model": "fraud", "version": 3}]},
    }  # fmt: skip

    found = comparison.compare(old, files(a="1", b="1", c="1"), new, files(b="2", c="1", d="1"))

    assert (found.added, found.removed, found.changed, found.same_files) == (("d",), ("a",), ("b",), False)
    assert found.facts == {
        "metrics.auc": (0.93456789, None), f"metrics.auc@{TEST}": (None, 0.95), f"metrics.auc@{TRAIN}": (0.99, None),
        "metrics.loss": (None, 0.1), "tags.team": ("risk", None), "parents": (None, ["fraud:3"]),
    }  # fmt: skip
    assert comparison.compare(old, files(a="1"), old, files(a="1")).same_files
