"""The sealed log over HTTP: checkpoint, keys, tiles, bundles, proofs, and entries by position."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from registry.db.models import TileRow
from registry.db.session import transaction
from registry.domain.errors import Unavailable
from registry.rules.audit_log.checkpoints import open_checkpoint, read_checkpoint
from registry.rules.audit_log.entries import commitment, leaf_data, leaf_hash
from registry.rules.audit_log.notes import VerifierKey
from registry.rules.audit_log.tiles import TileNodes, bundles_of, decode_bundle, tiles_of
from registry.rules.audit_log.tlog_proof import TlogProof
from registry.rules.audit_log.tree import root
from registry.services import audit
from registry.services.sealed_log.pins import Pinned
from tests.support.api import Api
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect
from tests.support.sealing import MemoryPin, seal_all

TILE = "/audit/tile/"


def entries_of(api: Api) -> list[dict[str, Any]]:
    """All sealed entries, read in pages of three."""
    items: list[dict[str, Any]] = []
    after = ""
    while True:
        page = expect(200, api.get(f"/audit/sealed?limit=3{after}"))
        items += page["items"]
        if not page["more"]:
            assert page["next_after"] == (items[-1]["position"] if items else None)
            return items
        after = f"&after={page['next_after']}"


def body_of(entry: dict[str, Any]) -> bytes:
    return base64.b64decode(entry["body"])


def keys_of(api: Api) -> list[VerifierKey]:
    return [VerifierKey.parse(line) for line in api.get("/audit/keys").text.splitlines()]


@pytest.fixture
def sealed(app: Flask, registry: RegistryBuilder) -> RegistryBuilder:
    """Some entries, some with texts, that are sealed and published."""
    registry.model("fraud").version(stage="production", description="the first")
    registry.model("churn").version()
    seal_all(app)
    return registry


@pytest.fixture
def long(app: Flask, api: Api, registry: RegistryBuilder) -> int:
    """More than 256 entries, sealed and published: how many."""
    registry.model("fraud").version()
    for number in range(260):
        expect(200, api.patch("/models/fraud/versions/1", {"tags": {"round": str(number)}}))
    seal_all(app)
    return read_checkpoint(api.get("/audit/checkpoint").data).size


def test_the_checkpoint_is_signed_by_the_stated_key_and_its_root_is_that_of_the_entries(
    api: Api, sealed: RegistryBuilder
) -> None:
    note = api.get("/audit/checkpoint")

    checkpoint = open_checkpoint(note.data, keys_of(api))

    leaves = [bytes.fromhex(leaf_hash(leaf_data(body_of(entry)))) for entry in entries_of(api)]
    nodes = TileNodes(len(leaves), lambda tile: b"".join(leaves)[: tile.width * 32])
    assert (checkpoint.size, checkpoint.root) == (len(leaves), root(len(leaves), nodes))
    assert (note.mimetype, note.headers["Cache-Control"]) == ("text/plain", "no-store")


def test_every_entry_has_a_proof_of_its_own(api: Api, sealed: RegistryBuilder) -> None:
    keys = keys_of(api)
    for entry in entries_of(api):
        body = body_of(entry)
        answer = api.get(f"/audit/{json.loads(body)['id']}/proof")

        proof = TlogProof.parse(answer.data)

        assert proof.index == entry["position"]
        proof.verify(bytes.fromhex(leaf_hash(leaf_data(body))), keys)
        assert answer.mimetype == "text/plain"


def test_tiles_and_bundles_lead_to_the_root_that_was_signed(app: Flask, api: Api, long: int) -> None:
    checkpoint = open_checkpoint(api.get("/audit/checkpoint").data, keys_of(api))

    nodes = TileNodes(long, lambda tile: api.get(TILE + tile.path).data)
    bundles = [decode_bundle(api.get(TILE + one.path).data, one.width) for one in bundles_of(long)]
    first, *_, last = [one for one in tiles_of(long) if one.level == 0]
    entries = entries_of(api)

    assert root(long, nodes) == checkpoint.root
    assert [data for bundle in bundles for data in bundle] == [leaf_data(body_of(one)) for one in entries]
    assert "immutable" in api.get(TILE + first.path).headers["Cache-Control"]
    assert "immutable" not in api.get(TILE + last.path).headers["Cache-Control"]
    assert api.get(f"{TILE}0/000.p/17").data == api.get(TILE + first.path).data[: 17 * 32]
    positions = (0, 255, 256, long - 1)
    uids = [json.loads(body_of(entries[position]))["id"] for position in positions]
    assert [TlogProof.parse(api.get(f"/audit/{uid}/proof").data).index for uid in uids] == list(positions)

    with app.app_context(), transaction() as session:
        session.execute(sa.delete(TileRow))
    refused = [api.get(f"{TILE}1/000.p/1"), api.get(f"/audit/{uids[-1]}/proof")]
    assert [expect(409, answer)["code"] for answer in refused] == ["conflict"] * 2
    assert "1/000.p/1" in refused[0].text


def test_a_text_comes_with_its_salt_and_an_erased_one_is_null(app: Flask, api: Api, sealed: RegistryBuilder) -> None:
    entry = next(one for one in entries_of(api) if "description" in one["texts"])
    text, document = entry["texts"]["description"], json.loads(body_of(entry))

    with app.app_context():
        audit.erase_text(document["id"], "description", reason="request 41")
    (erased,) = expect(200, api.get(f"/audit/sealed?after={entry['position'] - 1}&limit=1"))["items"]

    assert text["text"] == "the first"
    assert commitment(base64.b64decode(text["salt"]), text["text"]) == document["commit"]["description"]
    assert erased == entry | {"texts": {"description": None}}


class UnwritablePin(MemoryPin):
    """A pin whose place does not answer when it is written."""

    def write(self, note: bytes, *, replaces: Pinned | None) -> bool:
        raise Unavailable("the store of the pin does not answer")


def test_a_checkpoint_that_is_signed_and_not_pinned_is_shown_to_no_reader(
    app: Flask, api: Api, sealed: RegistryBuilder
) -> None:
    before = api.get("/audit/checkpoint").data
    pinned = Pinned(before, "1")
    uid = api.patch("/models/fraud", {"description": "later"}).headers["Audit-Event"][:36]

    with pytest.raises(Unavailable):
        seal_all(app, UnwritablePin(pinned))

    size = read_checkpoint(before).size
    assert api.get("/audit/checkpoint").data == before
    assert len(entries_of(api)) == size
    assert api.get(f"{TILE}0/000.p/{size + 1}").status_code == 404
    assert expect(409, api.get(f"/audit/{uid}/proof"))["code"] == "not_sealed"


def test_nothing_above_the_published_checkpoint_is_shown(app: Flask, api: Api, sealed: RegistryBuilder) -> None:
    size = read_checkpoint(api.get("/audit/checkpoint").data).size
    later = api.patch("/models/fraud", {"description": "later"})
    uid = later.headers["Audit-Event"][:36]

    refused = expect(409, api.get(f"/audit/{uid}/proof"))
    page = expect(200, api.get(f"/audit/sealed?after={size - 1}"))

    assert refused["code"] == "not_sealed"
    assert page == {"items": [], "next_after": size - 1, "more": False}
    for path in (f"0/000.p/{size + 1}", f"entries/000.p/{size + 1}", "0/000", "0/001", "1/000", "7/000", "63/000"):
        assert api.get(TILE + path).status_code == 404, path


def test_without_a_log_key_entries_have_positions_and_no_checkpoint(
    app: Flask, api: Api, registry: RegistryBuilder
) -> None:
    registry.model("fraud").version()
    assert expect(200, api.get("/audit/sealed")) == {"items": [], "next_after": None, "more": False}
    seal_all(app, signer=None)

    refused = expect(404, api.get("/audit/checkpoint"))
    entries = entries_of(api)
    uid = json.loads(body_of(entries[0]))["id"]

    assert "REGISTRY_LOG_KEY" in refused["detail"]
    assert [entry["position"] for entry in entries] == list(range(len(entries)))
    assert "REGISTRY_LOG_KEY" in expect(409, api.get(f"/audit/{uid}/proof"))["detail"]
    assert api.get("/audit/keys").text == ""
    assert decode_bundle(api.get(f"{TILE}entries/000.p/1").data, 1) == [body_of(entries[0])]


UNTILED = [
    "", "0", "0/", "0/0", "0/00", "0/0000", "0/1000", "0/x000/000", "0/x001", "0/000/", "/0/000", "0//000",
    "00/000", "64/000", "-1/000", "8/000", "0/000.p/0", "0/000.p/256", "0/000.p/257", "0/000.p/01", "0/000.p",
    "0/000.p/", "0/000.p/1/", "0/000.q/1", "0/000.P/1", "entries", "Entries/000.p/1", "entries/x001/00", "data/000",
    "0/../0/000", "0/%30%30%30.p/1%00", "0/000%0a", "0/٠٠٠", "0/" + "x999/" * 20 + "999",
    "0/x999/x999/x999/x999/x999/x999/999", "entries/x999/x999/x999/x999/x999/x999/999",
    "7/x018/x446/x744/x073/x709/x551/615",
]  # fmt: skip


def test_a_tile_has_one_spelling_and_ends_with_the_log(api: Api, sealed: RegistryBuilder) -> None:
    assert {path: api.get(TILE + path).status_code for path in UNTILED} == dict.fromkeys(UNTILED, 404)
    assert api.get(f"{TILE}0/000.p/1").status_code == 200
    assert api.get(f"{TILE}0/000.p/1?x=1").status_code == 422


def test_a_position_is_a_number_below_2_to_62(api: Api, sealed: RegistryBuilder) -> None:
    for after in ("-1", str(2**62), str(2**63), "9" * 30, "9" * 5000, "1e3", "x", "01", "1.0", "%D9%A1", ""):
        assert expect(422, api.get(f"/audit/sealed?after={after}"))["errors"].keys() == {"after"}, after

    page = expect(200, api.get(f"/audit/sealed?after={2**62 - 1}"))

    assert page == {"items": [], "next_after": 2**62 - 1, "more": False}


def test_the_proof_of_an_entry_that_there_is_not_is_refused(api: Api, sealed: RegistryBuilder) -> None:
    assert expect(404, api.get("/audit/00000000-0000-0000-0000-000000000000/proof"))["code"] == "not_found"
    assert expect(404, api.get("/audit/nothing/proof"))["code"] == "not_found"
