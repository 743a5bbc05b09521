"""Formats of files are recognised by workers or when a move needs them, and kept under a seal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from registry.db.models import Blob, BlobFormat
from registry.db.session import reading, transaction
from registry.http.context import EXTENSION
from registry.services import audit, leases
from registry.services.catalog import browsing
from registry.services.integrity import file_formats
from registry.services.requests import waiting
from tests.support import file_contents
from tests.support.api import Api
from tests.support.databases import Database
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect
from tests.support.store_maintenance import StoreMaintenance

POLICY = "policy: 1\nproduction:\n  - rule: file_formats\n    allowed: [safetensors, json, text]\n"
FILES = "/models/fraud/versions/{}/files"


@pytest.fixture
def maintenance(app: Flask, database: Database, storage_root: Path) -> StoreMaintenance:
    return StoreMaintenance(app, database, storage_root)


def recognise_all(app: Flask) -> int:
    count = 0
    with app.app_context():
        while file_formats.recognise_next(store=app.extensions[EXTENSION].store):
            count += 1
    return count


def formats(api: Api, number: int = 1) -> dict[str, tuple[Any, Any]]:
    items = expect(200, api.get(FILES.format(number)))["items"]
    return {item["path"]: (item["format"], item["executes_code"]) for item in items}


def promote(api: Api, number: int) -> Any:
    for stage in ("staging", "production"):
        reply = api.put(f"/models/fraud/versions/{number}/stage", {"stage": stage, "reason": "better"})
    return reply


def problems(app: Flask) -> list[str]:
    with app.app_context():
        return [problem for report in audit.verify() for problem in report.problems]


def test_production_takes_no_file_that_can_execute_code(app: Flask, api: Api, registry: RegistryBuilder) -> None:
    registry.create_model()
    shared = registry.file(b'{"layers": 2}', "config.json")
    contents = {
        "model.safetensors": file_contents.CALL,
        "modeling.py": b"import os\n",
        "two.safetensors": file_contents.safetensors(file_contents.zipped({"a": file_contents.CALL})),
        "contradicting.safetensors": file_contents.contradicting()["safetensors: overlap"],
        "weights.bin": b"\1\2\3\4" * 5,
    }
    for path, content in contents.items():
        registry.model("fraud").version(files=[shared, registry.file(content, path)])
    registry.model("fraud").version(files=[shared, registry.file(file_contents.safetensors(), "model.pkl")])
    expect(200, api.put("/models/fraud/policy", {"document": POLICY, "reason": "agreed"}))
    assert formats(api) == {"config.json": (None, None), "model.safetensors": (None, None)}

    # No worker has read anything: the moves do.
    refused = [expect(409, promote(api, number + 1)) for number in range(len(contents))]
    expect(200, promote(api, len(contents) + 1))

    for path, refusal in zip(contents, refused, strict=True):
        assert refusal["code"] == "gates_unmet"
        assert [file["path"] for gate in refusal["gates"] for file in gate["input"]] == [path]
    assert formats(api, 1)["model.safetensors"] == ("pickle", "yes")
    assert formats(api, 2)["modeling.py"] == ("python", "yes")
    assert formats(api, 3)["two.safetensors"] == ("zip", "yes")
    assert formats(api, 4)["contradicting.safetensors"] == ("unreadable", "unknown")
    assert formats(api, 5)["weights.bin"] == ("unknown", "unknown")
    assert formats(api, 6) == {"config.json": ("json", "no"), "model.pkl": ("safetensors", "no")}
    assert problems(app) == []


def test_protected_aliases_and_requests_read_what_no_worker_has(
    app: Flask, api: Api, registry: RegistryBuilder
) -> None:
    registry.create_model()
    for number in range(3):
        registry.model("fraud").version(files=[registry.file(f"model card {number}".encode(), "model.bin")])
    guarding = POLICY + "protected_aliases: [champion, challenger]\n"
    expect(200, api.put("/models/fraud/policy", {"document": guarding, "reason": "agreed"}))
    shown = expect(200, api.get("/models/fraud/versions/1/gates?stage=production"))["evaluation"]["gates"][0]
    assert "model.bin was not read yet (a worker reads it soon" in shown["reason"]
    assert shown["remedy"].startswith("make the move, which reads them")
    assert formats(api) == {"model.bin": (None, None)}

    expect(201, api.put("/models/fraud/aliases/champion", {"version": 1}))
    expect(200, api.put("/models/fraud/versions/2/stage", {"stage": "staging", "reason": "better"}))
    wanted = {"model": "fraud", "reason": "better", "apply_when_ready": True}
    stage, alias = (
        expect(201, api.post("/requests", {**wanted, **more}))
        for more in ({"version": 2, "target": "production"}, {"version": 3, "target": "@challenger"})
    )
    with app.app_context():
        while waiting.apply_next(store=app.extensions[EXTENSION].store, protected=()):
            pass

    for request in (stage, alias):
        assert expect(200, api.get(f"/requests/{request['id']}"))["state"] == "applied"
    assert [formats(api, number + 1)["model.bin"][0] for number in range(3)] == ["text"] * 3


def test_a_worker_recognises_each_content_once(app: Flask, api: Api, registry: RegistryBuilder) -> None:
    file = registry.file(b"a model card", "README.md")
    registry.model("fraud").version(files=[file, {**file, "path": "copy.txt"}])
    registry.model("fraud").version(files=[{**file, "path": "setup.py"}])

    assert recognise_all(app) == 1
    assert recognise_all(app) == 0

    assert formats(api) == {"README.md": ("text", "no"), "copy.txt": ("text", "no")}
    assert formats(api, 2) == {"setup.py": ("python", "yes")}
    with app.app_context():
        assert browsing.file("fraud", 2, "setup.py").format == "python"


def test_what_earlier_rules_recognised_is_recognised_again(app: Flask, api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(files=[registry.file(b"a model card", "README.md")])
    recognise_all(app)
    with app.app_context(), transaction() as session:
        for table in (Blob, BlobFormat):
            session.execute(update(table).values(recognizer=table.recognizer - 1))
    assert formats(api) == {"README.md": (None, None)}

    assert recognise_all(app) == 1

    assert formats(api) == {"README.md": ("text", "no")}


def test_a_format_that_was_changed_with_sql_counts_as_none(app: Flask, api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(files=[registry.file(file_contents.CALL, "model.bin")])
    recognise_all(app)

    with app.app_context(), transaction() as session:
        session.execute(update(BlobFormat).values(format="safetensors", executes_code="no"))

    assert formats(api) == {"model.bin": (None, None)}
    assert any("the seal of the format of blob" in problem for problem in problems(app))
    expect(200, api.put("/models/fraud/policy", {"document": POLICY, "reason": "agreed"}))
    assert expect(409, promote(api, 1))["code"] == "gates_unmet"


def test_bytes_that_are_gone_or_changed_are_not_recognised(
    app: Flask, api: Api, registry: RegistryBuilder, maintenance: StoreMaintenance
) -> None:
    file = registry.file(b"a model card", "README.md")
    registry.model("fraud").version(files=[file])
    maintenance.flip(file["sha256"])

    assert recognise_all(app) == 1  # it is put off, and no attempt is counted
    assert recognise_all(app) == 0

    assert formats(api) == {"README.md": (None, None)}
    with app.app_context(), reading() as session:
        assert session.scalar(select(func.sum(BlobFormat.attempts))) == 0


def test_a_content_that_ends_workers_is_unreadable_at_last(app: Flask, api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(files=[registry.file(b"a model card", "README.md")])
    recognise_all(app)
    with app.app_context(), transaction() as session:
        died = {"format": None, "attempts": leases.MOST_ATTEMPTS, "seal": None}
        session.execute(update(BlobFormat).values(**died, attempted_at=leases.now(session) - 2 * file_formats.AGAIN))
        session.execute(update(Blob).values(recognizer=0))

    assert recognise_all(app) == 1

    assert formats(api) == {"README.md": ("unreadable", "unknown")}
