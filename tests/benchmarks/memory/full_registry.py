"""A registry that is as full as the limits allow where it is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Flask
from sqlalchemy import update

from registry.db.bulk_insert import insert_rows
from registry.db.models import Account, Artifact, Request
from registry.db.session import reading, transaction
from registry.domain import clock
from registry.domain.pinned_packages import FILE_BYTES, MOST_NAMED
from registry.domain.sizes import CHECK_SUMMARY_LENGTH, DESCRIPTION_LENGTH, NOTE_LENGTH
from registry.rules.names import TAG_VALUE_LENGTH
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect
from tests.support.sealing import seal_all

FILES = 10_000
VERSIONS = 8  # each larger than a third of a page
REQUEST_ID = "00000000-0000-4000-8000-000000000001"
TAGS = {f"t{number}": "x" * TAG_VALUE_LENGTH for number in range(10)}
PARAMS = {f"p{number}": "x" * 6000 for number in range(150)}
METRICS = {f"{number:04}" + "m" * 240: 0.1 for number in range(1000)}
DESCRIPTION = "\x01" * DESCRIPTION_LENGTH
LONG = "x" * 200
REPORT = {"name": "bias", "status": "passed", "summary": "\x01" * CHECK_SUMMARY_LENGTH}


def fill(app: Flask, registry: RegistryBuilder) -> dict[str, Any]:
    """Fill the registry; what the cases need of it."""
    file = registry.file(b"x")
    registry.create_model("big", tags=TAGS)
    expect(200, registry.client.patch("/models/big", {"description": DESCRIPTION}))
    for number in range(VERSIONS):
        files = [file | {"path": f"{number}.bin"}]
        registry.model("big").version(files=files, tags=TAGS, run={"system": "ci", "id": str(number), "params": PARAMS})
        expect(200, registry.client.patch(f"/models/big/versions/{number + 1}", {"description": DESCRIPTION}))
    expect(201, registry.client.put("/models/big/aliases/champion", {"version": 1}))
    for _ in range(90):
        expect(201, registry.client.post("/models/big/versions/1/notes", {"text": "\x01" * NOTE_LENGTH}))
        expect(201, registry.client.post("/models/big/versions/1/checks", REPORT))
    for _ in range(3):
        held = {"kind": "version", "target": "big:8", "reason": "\x01" * 2000}
        expect(201, registry.client.post("/holds", held))
    asked = {"model": "big", "version": 1, "reason": "\x01" * 2000}
    requests = [
        expect(201, registry.client.post("/requests", asked | {"target": f"@{number}th"}))["id"] for number in range(20)
    ]
    with app.app_context(), transaction() as session:
        session.execute(update(Request).where(Request.id == requests[0]).values(id=REQUEST_ID))
    for _ in range(50):
        expect(200, registry.client.post(f"/requests/{REQUEST_ID}/comment", {"comment": "\x01" * 2000}))
    for number in range(2):
        content = lock_file(number)
        registry.model("locked").version(files=[registry.file(content, "requirements.txt")])
    registry.model("wide").version(files=manifest(file), metrics=METRICS)
    with app.app_context():
        with reading() as session:
            owner = session.query(Account.id).filter(Account.name == "all").scalar()
        rows = [
            {"path": f"area/{number:05}{LONG}", "sha256": file["sha256"], "size": 1, "media_type": "text/plain",
             "object": None, "logged_model": None, "lease_id": None, "leased_until": None, "parked_at": None,
             "parked_reason": None, "attempts": 0, "created_at": clock.now(), "created_by": owner}
            for number in range(FILES)
        ]  # fmt: skip
        with transaction() as session:
            insert_rows(session, Artifact, rows)
    seal_all(app)
    return file


def lock_file(number: int) -> bytes:
    """As many packages as are kept of a file that is as large as one that is read, in the widest encoding in memory."""
    lines = "".join(f"{'p' * 90}{place:05}=={number}.{'1' * 90}\n" for place in range(MOST_NAMED))
    return ("# \U0001f600\n" + lines).encode().ljust(FILE_BYTES, b"#")


def manifest(file: Mapping[str, Any]) -> list[dict[str, Any]]:
    """As many files as a version may have, with paths that leave room for the other facts in a body of 8 MiB."""
    return [{**file, "path": "/".join([f"{number:05}", LONG, LONG, LONG[:170]])} for number in range(FILES)]
