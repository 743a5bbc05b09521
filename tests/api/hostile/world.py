"""The registry that hostile requests meet: models, versions in every stage, an alias, uploads, tokens."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update

from registry.db.models import Account, Model, Request, Token, Upload
from registry.db.session import transaction
from registry.domain import clock
from registry.http.context import EXTENSION
from registry.services.audit import row_seals
from registry.storage.keys import blob_key
from tests.support.api import Api
from tests.support.databases import Database
from tests.support.registry_builder import in_process
from tests.support.replies import expect

CONTENT = b"bytes that are in the store"
STORED = {"path": "model.bin", "size": len(CONTENT), "sha256": hashlib.sha256(CONTENT).hexdigest()}
SMALL_UPLOAD = "00000000-0000-4000-8000-000000000001"
LARGE_UPLOAD = "00000000-0000-4000-8000-000000000002"
PARKED_UPLOAD = "00000000-0000-4000-8000-000000000003"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class World:
    """``parts`` are what a row may name in braces; ``tokens`` those of each role, ``revoked`` and ``expired``."""

    client: FlaskClient
    tokens: Mapping[str, str]
    parts: Mapping[str, str]
    secrets: frozenset[str]


def build(app: Flask, database: Database) -> World:
    """Arrange it: ``fraud`` has 1 archived, 2 in production, 3 in staging past the gates, 4 fresh, 5 deleted.

    ``gone`` is deleted.
    """
    api = Api(app.test_client(), database.tokens["all"])
    registry = in_process(api)
    files = [registry.file(), registry.file(path="data/train set.csv")]
    for number, stage in enumerate(("production", "production", "none", "none", "none")):
        registry.model("fraud").version(stage=stage, files=files, run={"system": "ci", "id": f"{number}"})
    responder = Api(app.test_client(), database.tokens["responder"])
    move = {"stage": "staging", "reason": "arranged", "break_glass": True}
    expect(200, responder.put("/models/fraud/versions/3/stage", move))
    expect(200, api.delete("/models/fraud/versions/5"))
    expect(201, api.put("/models/fraud/aliases/champion", {"version": 2}))
    expect(201, api.post("/holds", {"kind": "data", "target": f"sha256:{'f' * 64}", "reason": "arranged"}))
    _open_requests(app, database)
    registry.create_model("empty")
    registry.create_model("gone")
    registry.model("buried").version()
    for name in ("gone", "buried"):
        expect(200, api.delete(f"/models/{name}"))
    registry.blob(CONTENT)
    upload = expect(201, api.post("/uploads", {"sha256": "ab" * 32, "size": 5}))
    _begin_uploads(app)
    tokens = dict(database.tokens) | {"revoked": _issue(api, "leaver"), "expired": _issue(api, "sleeper")}
    expect(200, api.delete(f"/tokens/{tokens['revoked'][4:16]}"))
    _expire(app, tokens["expired"])
    parts = {
        "upload": upload["id"],
        "target": upload["target"]["url"].partition("/transfer/")[2],
        "cursor": expect(200, api.get("/models/fraud/versions?limit=1"))["next_cursor"],
        "etag": api.get("/models/fraud").headers["ETag"],
        "reader_id": tokens["reader"][4:16],
        "own_id": _issue(api, "all")[4:16],
        "parked": PARKED_UPLOAD,
        **{f"token_{name}": token for name, token in tokens.items()},
    }
    return World(app.test_client(use_cookies=False), tokens, parts, frozenset(tokens.values()))


def _issue(api: Api, owner: str) -> str:
    issued = expect(201, api.post("/tokens", {"owner": owner, "roles": ["writer"]}))
    token: str = issued["token"]
    return token


def _open_requests(app: Flask, database: Database) -> None:
    """One request for each act on it, under ids that are known, for a version that another account registered."""
    writer, others = (Api(app.test_client(), database.tokens[name]) for name in ("writer", "promoter"))
    in_process(writer).model("asked").version()
    for place, act in enumerate(("approve", "reject", "comment", "apply", "withdraw")):
        client = Api(app.test_client(), database.tokens["all"]) if act == "withdraw" else others
        body = {"model": "asked", "version": 1, "target": f"@{act}", "reason": "arranged"}
        request = expect(201, client.post("/requests", body))["id"]
        known = f"00000000-0000-4000-8000-0000000001{place:02}"
        with app.app_context(), transaction() as session:
            session.execute(update(Request).where(Request.id == request).values(id=known))


def _begin_uploads(app: Flask) -> None:
    """Two that the client with every role has announced, one of them in parts, and one whose verification is parked.

    The deletion of ``buried`` is long ago.
    """
    store = app.extensions[EXTENSION].store
    with app.app_context(), transaction() as session:
        owner = session.scalars(select(Account.id).where(Account.name == "all")).one()
        begun = []
        for upload_id, part_size in ((SMALL_UPLOAD, None), (LARGE_UPLOAD, 5)):
            key = blob_key("ac" * 32, f"{uuid.uuid4()}")
            handle = store.begin_parts(key, size=10, part_size=part_size) if part_size else None
            begun.append(
                Upload(id=upload_id, sha256="ac" * 32, size=10, key=key, state="pending", part_size=part_size,
                       handle=handle, created_at=clock.now(), created_by=owner,
                       expires_at=clock.now() + timedelta(days=1))
            )  # fmt: skip
        begun.append(
            Upload(id=PARKED_UPLOAD, sha256="ad" * 32, size=10, key=blob_key("ad" * 32, f"{uuid.uuid4()}"),
                   state="uploaded", attempts=3, parked_at=clock.now(), parked_reason="its worker was killed",
                   created_at=clock.now(), created_by=owner, expires_at=clock.now() + timedelta(days=1))
        )  # fmt: skip
        for upload in begun:
            row_seals.seal_upload(upload)
        session.add_all(begun)
        session.execute(update(Model).where(Model.name == "buried").values(deleted_at=LONG_AGO))


def _expire(app: Flask, token: str) -> None:
    with app.app_context(), transaction() as session:
        session.execute(update(Token).where(Token.id == token[4:16]).values(expires_at=LONG_AGO))
