"""The sealed log from the Python client and the command line, with a registry that seals."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

import pytest
from flask import Flask

from registry.client import RegistryClient, errors
from registry.rules.audit_log.checkpoints import open_checkpoint
from registry.rules.audit_log.entries import leaf_data, leaf_hash
from registry.rules.audit_log.notes import VerifierKey
from registry.rules.audit_log.tiles import TileNodes, decode_bundle
from registry.rules.audit_log.tlog_proof import TlogProof
from registry.rules.audit_log.tree import root
from registry.telemetry import logs
from tests.cli.conftest import CommandLine, Place, place, run_cli
from tests.support.databases import Database
from tests.support.sealing import seal_all, sealing
from tests.support.web_server import serving

__all__ = ["place", "run_cli"]


@pytest.fixture
def client(app: Flask, database: Database) -> Iterator[RegistryClient]:
    """A client of the app, over HTTP."""
    with serving(app) as url, RegistryClient(url, database.tokens["all"], retries=0) as client:
        yield client


def keys_of(client: RegistryClient) -> list[VerifierKey]:
    lines = client.audit.keys()
    return list(map(VerifierKey.parse, lines))


def test_a_program_gets_a_receipt_of_each_write_and_the_proof_of_its_entry(app: Flask, client: RegistryClient) -> None:
    with sealing(app), client.receipts(wait=10) as receipts:
        client.models.create("fraud")
        client.models.create("churn")
    client.models.create("later")

    keys = keys_of(client)
    assert len(receipts) == 2
    for receipt in receipts:
        proof = TlogProof.parse(client.audit.proof(receipt.entry))
        proof.verify(bytes.fromhex(receipt.leaf), keys)
        assert proof.index == receipt.position


def test_a_program_reads_what_a_verifier_needs(app: Flask, client: RegistryClient) -> None:
    for number in range(3):
        client.models.create(f"model-{number}")
    seal_all(app)

    keys = keys_of(client)
    checkpoint = open_checkpoint(client.audit.checkpoint(), keys)
    entries = list(client.audit.sealed())
    bodies = [base64.b64decode(entry["body"]) for entry in entries]

    size = checkpoint.size
    assert root(size, TileNodes(size, lambda tile: client.audit.tile(tile.path))) == checkpoint.root
    assert decode_bundle(client.audit.tile(f"entries/000.p/{size}"), size) == list(map(leaf_data, bodies))
    assert [entry["position"] for entry in entries] == list(range(size))
    assert list(client.audit.sealed(after=size - 2)) == entries[-1:]
    with pytest.raises(errors.NotFound):
        client.audit.tile("0/001")


def test_the_command_line_writes_the_proof_of_an_entry(
    app: Flask,
    client: RegistryClient,
    run_cli: CommandLine,
    place: Place,
    database: Database,
) -> None:
    logs.configure("json", "error")  # the app would log to the stdout of the commands
    client.models.create("fraud")
    seal_all(app)
    (entry,) = [one for one in client.audit.sealed() if b"model.created" in base64.b64decode(one["body"])]
    body = base64.b64decode(entry["body"])
    uid = json.loads(body)["id"]
    options = (uid, "--url", client.url, "--token", database.tokens["auditor"])

    printed = run_cli("audit", "proof", *options)
    written = run_cli("audit", "proof", *options, "-o", "made.tlog-proof")
    as_json = run_cli("audit", "proof", *options, "--json")
    client.models.create("later")
    (later,) = [one["id"] for one in client.audit.entries(model="later")]
    early = run_cli("audit", "proof", later, *options[1:])
    unknown = run_cli("audit", "proof", "nothing", *options[1:])

    keys = keys_of(client)
    proof = TlogProof.parse((place.cwd / "made.tlog-proof").read_bytes())
    proof.verify(bytes.fromhex(leaf_hash(leaf_data(body))), keys)
    assert (printed.code, printed.out.encode()) == (0, proof.dump())
    assert (written.code, json.loads(as_json.out)) == (0, {"entry": uid, "proof": printed.out})
    assert (early.code, unknown.code) == (8, 4)
