"""The pages of the audit log: filters, histories, one entry with its proof, evidence; and the status page."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from tests.support.databases import Database
from tests.support.pages import browse
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect
from tests.support.sealing import seal_all
from tests.support.statement_counting import counting_statements

HOSTILE = (
    "a%00b",
    "%ed%a0%80",
    "9" * 300,
    "%27%20OR%201%3d1--",
    "x" * 5000,
    "9999-12-31T23:59:59-14:00",
    "999999w",
    "%20",
)
FILTERS = ("actor", "action", "model", "version", "request_id", "since", "until", "cursor", "verify")
REFUSED = {
    "since=yesterday": (422, "f-since"),
    "until=2026-11-20T12:00:00": (422, "f-until"),
    "version=x": (422, "f-version"),
    "version=1": (422, "f-version"),
    "model=fraud&version=9": (400, "f-version"),
    "model=unknown": (400, "f-model"),
    "actor=stranger": (400, "f-actor"),
    "action=verson.*": (400, "f-action"),
    "cursor=x": (400, None),
}
PARTIAL = {"HX-Request": "true", "HX-Request-Type": "partial", "HX-Target": "div#verification"}


def change(database: Database, statement: str) -> None:
    """Write to the database behind the service's back."""
    with sa.create_engine(database.url, poolclass=sa.NullPool).begin() as connection:
        connection.exec_driver_sql(statement)


def test_the_log_is_searched_by_a_form_and_verified(
    site: RegistryBuilder, visitor: FlaskClient, dev_app: Flask, database: Database
) -> None:
    site.model("fraud").version()
    for number in range(50):
        expect(200, site.client.patch("/models/fraud", {"description": str(number)}))
    site.model("fraud").move(1, "staging", reason="smoke tests passed")
    site.model("fraud").move(1, "production", reason="approved by <b>risk</b>")
    everything = browse(visitor, "/audit?model=fraud&actor=")
    (older,) = [link for link in everything.links if "cursor=" in link]
    rest = browse(visitor, older)
    moves = browse(visitor, "/audit?model=fraud&version=1&action=version.*&since=7d&utm_source=mail")
    seal_all(dev_app)
    verified = browse(visitor, "/audit?model=fraud&verify=1")
    block = visitor.get("/models/fraud/history?verify=1", headers=PARTIAL)
    change(database, "UPDATE models SET description = 'x' WHERE name = 'fraud'")
    changed = browse(visitor, "/models/fraud/history?verify=1")

    assert [len(seen.all("article")) for seen in (everything, rest, moves)] == [50, 4, 3]
    assert "fraud:1" in "".join(moves.all("article")[0].itertext())
    assert "approved by <b>risk</b>" in moves.text
    assert "not sealed yet" in moves.text
    assert moves.one("input", id="f-since").get("value") == "7d"
    assert moves.one("option", selected="").get("value") == "version.*"
    (table,) = [link for link in everything.links if link.startswith("/json/") and "format=csv" in link]
    assert visitor.get(table, buffered=True).get_data(as_text=True).count("model.edited") == 50
    assert "registry audit --actor" not in moves.whole_text
    assert "registry audit --action 'version.*' --model fraud --version 1 --since 7d" in moves.whole_text
    assert "54 of them covered by a published checkpoint" in verified.text
    assert block.get_data(as_text=True).lstrip().startswith('<p class="notice"')
    assert "its description is 'x', the log has '49'" in changed.text


def test_filters_take_what_people_type_and_refuse_the_rest_beside_the_field(
    site: RegistryBuilder, visitor: FlaskClient
) -> None:
    site.model("fraud").version()

    for query, (status, field) in REFUSED.items():
        seen = browse(visitor, f"/audit?{query}", status=status)
        assert seen.one("p", id="refusal") is not None, query
        wrong = [one.get("id") for tag in ("input", "select") for one in seen.all(tag, aria_invalid="true")]
        assert wrong == ([field] if field else []), query
    for name in FILTERS:
        for text in HOSTILE:
            given = "model=fraud&" if name in {"version", "verify"} else ""
            status = visitor.get(f"/audit?{given}{name}={text}", headers={"Accept": "text/html"}).status_code
            assert status in {200, 400, 422}, f"{name}={text}: {status}"
    for path in ("/audit", "/models/fraud/history", "/models/fraud/versions/1/history"):
        odd = "&".join(f"{name}=a%00b%01%ef%bf%be%e2%80%ae%22%3e%3cscript%3e" for name in FILTERS)
        browse(visitor, f"{path}?{odd}", status=422)
        browse(visitor, f"{path}?{'&'.join(f'{name}=' for name in FILTERS)}")
    for path in ("/models/unknown/history", "/models/fraud/versions/9/history", "/models/fraud/versions/9/evidence",
                 "/audit/00000000-0000-0000-0000-000000000000"):  # fmt: skip
        browse(visitor, path, status=404)


def test_an_entry_has_a_page_with_its_proof(site: RegistryBuilder, visitor: FlaskClient, dev_app: Flask) -> None:
    site.model("fraud").version()
    (latest,) = expect(200, site.client.get("/audit?limit=1"))["items"]
    unsealed = browse(visitor, f"/audit/{latest['id']}")
    seal_all(dev_app)
    sealed = browse(visitor, f"/audit/{latest['id']}")

    assert "No proof is available" in unsealed.text
    assert "No proof is available" not in sealed.text
    assert "c2sp.org/tlog-proof@v1" in sealed.text
    assert "covered by the published checkpoint of" in sealed.text
    assert f"registry audit proof {latest['id']}" in sealed.text
    assert latest["leaf_hash"] in sealed.text
    assert f"/audit/{latest['id']}" in browse(visitor, "/audit").links
    assert f"/audit?request_id={latest['request_id']}" in sealed.links


def test_evidence_has_everything_about_a_version_on_one_page(
    site: RegistryBuilder, visitor: FlaskClient, dev_app: Flask
) -> None:
    file = site.file(b"weights", "model.bin")
    site.model("fraud").version("production", files=[file], params={"depth": "5"}, metrics={"auc": 0.9117})
    site.model("fraud").version("production")
    site.model("fraud").rollback()
    seal_all(dev_app)
    history = expect(200, site.client.get("/models/fraud/versions/1/history"))["items"]

    seen = browse(visitor, "/models/fraud/versions/1/evidence?verify=1")

    assert file["sha256"] in seen.text
    for entry in history:
        assert entry["leaf_hash"] in seen.text
        assert f"/audit/{entry['id']}" in seen.links
    for text in ("0.9117", "depth", "rollback", "verified", "What this page does not prove",
                 "registry evidence fraud --version 1 -o evidence.zip"):  # fmt: skip
        assert text in seen.text


@pytest.mark.parametrize("versions", [2, 4])
def test_evidence_verifies_the_chain_on_request_and_else_costs_a_fixed_number_of_statements(
    site: RegistryBuilder, visitor: FlaskClient, dev_app: Flask, database: Database, versions: int
) -> None:
    """A reload, a crawler or a browser that loads links early reads neither the chain nor other versions."""
    for _ in range(versions):
        site.model("fraud").version("production")
    change(database, "UPDATE models SET description = 'x' WHERE name = 'fraud'")
    evidence = "/models/fraud/versions/1/evidence"

    with counting_statements(dev_app) as statements:
        opened = browse(visitor, evidence)
    asked = browse(visitor, evidence, query_string=opened.fields_of_get_form("Verify the chain"))
    block = visitor.get(f"{evidence}?verify=1", headers=PARTIAL).get_data(as_text=True)

    assert sum(not text.startswith("BEGIN") for text in statements) == 13
    assert "The chain has not been verified for this page." in opened.text
    assert "its description is 'x'" not in opened.text
    assert not [link for link in opened.links if "verify" in link]
    assert "its description is 'x', the log has ''" in asked.text
    assert "has not been verified" not in asked.text
    assert "its description is &#39;x&#39;" in block
    assert "<h2>" not in block


def test_the_status_page_shows_what_waits_and_what_is_damaged(
    site: RegistryBuilder, visitor: FlaskClient, database: Database
) -> None:
    site.model("fraud").version(files=[site.file(b"weights", "a b.bin")])
    idle = browse(visitor, "/status")
    change(database, "UPDATE blobs SET damage = 'missing'")
    damaged = browse(visitor, "/status?examine=1")

    for text in ("The database answers.", "No worker is alive.", "No file is known to be damaged.",
                 "No worker has counted yet."):  # fmt: skip
        assert text in idle.text
    assert "/models/fraud/versions/1" in damaged.links or "fraud:1" in damaged.text
    assert "a b.bin" in damaged.text
    assert "Stored files are damaged." in damaged.text
