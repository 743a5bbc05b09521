"""Lineage on the pages: what is added, retracted and reinstated by forms, by whom, and how it is refused."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.api import Api
from tests.support.browser_sessions import logged_in
from tests.support.databases import Database
from tests.support.pages import SAME_ORIGIN, Seen, browse, examined, submit
from tests.support.registry_builder import RegistryBuilder, in_process
from tests.support.replies import expect

VERSION = "/models/fraud/versions/1"
LINEAGE = f"{VERSION}/lineage"
ADD, DATASETS = f"{LINEAGE}/add", "/lineage/datasets"
RAW, CLEAN = f"sha256:{'ab' * 32}", f"sha256:{'cd' * 32}"


def entries(site: RegistryBuilder) -> list[str]:
    """The actions of the audit log about lineage, oldest first."""
    items = expect(200, site.client.get("/audit?limit=100"))["items"]
    return [one["action"] for one in reversed(items) if "lineage" in one["action"]]


def edges(site: RegistryBuilder, depth: int = 3) -> dict[str, int]:
    """The ids of the edges around the version, by the name of their target."""
    found = expect(200, site.client.get(f"{LINEAGE}?depth={depth}"))["graph"]
    return {found["nodes"][edge["target"]]["name"]: edge["edge"] for edge in found["edges"]}


def refused(visitor: FlaskClient, path: str, fields: dict[str, Any], *, status: int) -> Seen:
    return examined(submit(visitor, path, fields, status=status), status=status)


def test_what_is_learned_later_is_added_retracted_and_reinstated_by_forms(
    visitor: FlaskClient, site: RegistryBuilder
) -> None:
    site.model("base").version()
    site.model("fraud").version(description="x")
    form = browse(visitor, ADD)
    typed = {
        "data_digests": f"{CLEAN[7:].upper()}\n", "data_name": "clean.csv", "role": "validation", "parent": "base:1",
        "base_uri": "hf://org/name@1", "derivation": "finetune", "reason": "the team says so",
    }  # fmt: skip

    sent = [submit(visitor, ADD, typed, seen=form) for _ in range(2)]
    added = browse(visitor, sent[0].headers["Location"])
    about_data = {
        "digests": CLEAN,
        "name": "clean.csv",
        "from_digests": RAW,
        "from_name": "raw.csv",
        "job": "air/flow/clean",
    }
    of_data = browse(visitor, submit(visitor, DATASETS, about_data).headers["Location"])
    cycle = refused(visitor, DATASETS, {"digests": RAW, "from_digests": CLEAN, "reason": "turned round"}, status=409)
    edge = f"/lineage/edges/{edges(site)['clean.csv']}"
    no_reason = refused(visitor, edge, {}, status=422)
    done = submit(visitor, edge, {"reason": "named by mistake"})
    hidden, listed = browse(visitor, done.headers["Location"]), browse(visitor, f"{LINEAGE}?retracted=1")
    submit(visitor, edge, {"reason": "used after all"})
    shown = browse(visitor, f"{LINEAGE}?depth=3&retracted=1")

    assert [one.status_code for one in sent] == [303, 303]
    assert "The lineage of fraud:1 was added to. Audit entry" in added.whole_text
    assert "used (validation) dataset clean.csv" in added.text
    assert "derived from (finetune) version base:1" in added.text
    assert "derived from (finetune) model hf://org/name@1" in added.text
    assert "· asserted by local-dev just now · Retract…" in added.text
    assert "Dashed: asserted after the registration." in added.text
    assert "fraud v1" in of_data.text
    assert "Refused: the edge would close a cycle." in cycle.text
    assert "raw.csv → clean.csv → raw.csv" in cycle.text.replace(RAW, "raw.csv").replace(CLEAN, "clean.csv")
    assert "".join(cycle.one("textarea", name="from_digests").itertext()).strip() == CLEAN
    assert no_reason.one("textarea", name="reason").get("aria-invalid") == "true"
    assert "clean.csv" not in hidden.text.replace("is retracted now", "")
    assert (
        "version fraud:1 used (validation) dataset clean.csv · retracted by local-dev just now · Reinstate…"
        in listed.text
    )
    assert "produced by job air/flow/clean" in shown.text
    assert "transformed from dataset raw.csv" in shown.text
    assert "No edge that starts at one of these nodes is retracted." in shown.text
    statements = browse(visitor, edge).text
    assert statements.index("added just now") < statements.index("retracted just") < statements.index("reinstated just")
    assert entries(site) == ["version.lineage_added", "lineage.added", "version.lineage_retracted",
                             "version.lineage_reinstated"]  # fmt: skip


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_wrong_texts_are_refused_beside_their_fields_and_change_nothing(
    visitor: FlaskClient, site: RegistryBuilder
) -> None:
    site.model("fraud").version()
    for path, fields, at in (
        (ADD, {}, "data_digests"),
        (ADD, {"data_name": "train.csv"}, "data_digests"),
        (ADD, {"data_digests": "train.csv"}, "data_digests"),
        (ADD, {"data_digests": f"{'a' * 32}:{'b' * 128}"}, "data_digests"),
        (ADD, {"data_digests": " ".join(f"{number:064x}" for number in range(9))}, "data_digests"),
        (ADD, {"data_digests": RAW, "data_name": "\x00"}, "data_name"),
        (ADD, {"data_digests": RAW, "role": "toy"}, "role"),
        (ADD, {"parent": "fraud"}, "parent"),
        (ADD, {"parent": "fraud:0"}, "parent"),
        (ADD, {"parent": "fraud:9"}, "parent"),
        (ADD, {"derivation": "merge"}, "derivation"),
        (ADD, {"parent": "fraud:1", "derivation": "guess"}, "derivation"),
        (ADD, {"base_uri": "x" * 3000}, "base_uri"),
        (DATASETS, {}, "digests"),
        (DATASETS, {"digests": RAW}, "from_digests"),
        (DATASETS, {"digests": RAW, "whole_uri": "s3://data/all"}, "whole_digests"),
        (DATASETS, {"digests": RAW, "job": "clean"}, "job"),
        (DATASETS, {"digests": RAW, "job_url": "https://ci.test"}, "job"),
    ):
        seen = refused(visitor, path, {"reason": "kept", **fields}, status=422)
        wrong = [one.get("name") for one in seen.root.iter() if one.get("aria-invalid") == "true"]
        assert wrong == [at], (fields, seen.text[:300])
        assert "".join(seen.one("textarea", name="reason").itertext()).strip() == "kept"

    own = refused(visitor, ADD, {"parent": "fraud:1"}, status=409)
    key = browse(visitor, ADD).hidden_fields(ADD)
    first = visitor.post(ADD, data={**key, "base_uri": "hf://a/b"}, headers=SAME_ORIGIN)
    other = visitor.post(ADD, data={**key, "base_uri": "hf://a/c"}, headers=SAME_ORIGIN)
    again = browse(visitor, submit(visitor, ADD, {"base_uri": "hf://a/b"}).headers["Location"])
    browse(visitor, "/lineage/edges/99999", status=404)
    form = browse(visitor, f"/lineage/edges/{edges(site)['hf://a/b']}").hidden_fields()
    unknown = visitor.post("/lineage/edges/99999", data={**form, "reason": "x"}, headers=SAME_ORIGIN)

    assert "fraud:1 → fraud:1" in own.text
    assert (first.status_code, examined(other, status=422).one("input", name="base_uri").get("value")) == (
        303,
        "hf://a/c",
    )
    assert "Nothing changed" in again.whole_text
    assert unknown.status_code == 404
    assert entries(site) == ["version.lineage_added"]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_data_that_is_known_by_its_address_leads_to_the_versions_that_used_it(
    visitor: FlaskClient, site: RegistryBuilder
) -> None:
    site.model("fraud").version(datasets=[{"name": "clean", "digests": [CLEAN], "uri": "s3://lake/clean"}])
    event = {
        "eventType": "COMPLETE", "eventTime": "2026-11-21T12:40:00Z", "producer": "https://example.org/airflow",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/definitions/RunEvent",
        "run": {"runId": "0193f0c2-4c5e-7a3b-9d1e-2f6a8b7c5d40"}, "job": {"namespace": "air", "name": "flow"},
        "inputs": [{"namespace": "s3://lake", "name": "raw"}], "outputs": [{"namespace": "s3://lake", "name": "clean"}],
    }  # fmt: skip
    expect(200, site.client.post("/lineage/events", event))

    seen = browse(visitor, f"{LINEAGE}?depth=3")
    edge = browse(visitor, f"/lineage/edges/{edges(site)['s3://lake/raw']}")
    impact = browse(
        visitor, next(link for link in edge.links if link.startswith("/lineage/impact?dataset=") and "raw" in link)
    )
    exported = [expect(200, visitor.get(link)) for link in seen.links if "/lineage/export?" in link]

    assert "part of dataset s3://lake/clean impact" in seen.text
    _, prov, *bills = exported
    assert [one["specVersion"] for one in bills] == ["1.6", "1.7"]
    assert [*prov["hadMember"]] == ["_:member1to2"]
    assert "· by its address" in seen.text
    assert "transformed from dataset s3://lake/raw" in seen.text
    assert "fraud v1" in impact.text


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_what_is_missing_to_build_a_version_again_is_listed_with_what_to_do(
    visitor: FlaskClient, site: RegistryBuilder
) -> None:
    code = {"repo": "https://git.test/fraud", "commit": "17ba0791aaaa", "dirty": True}
    site.model("fraud").version(code=code, datasets=[{"name": "raw.csv", "digests": [RAW], "role": "train"}])

    overview, page = browse(visitor, VERSION), browse(visitor, f"{VERSION}/reproducibility")

    assert (
        "to build it again 3 of 7 recorded; missing: clean checkout, environment, parameters, command" in overview.text
    )
    assert f"{VERSION}/reproducibility" in overview.links
    assert "3 of 7 requirements are met." in page.text
    assert "data for training recorded raw.csv" in page.text
    assert "missing the checkout had uncommitted changes commit the changes before training" in page.text
    assert "/lineage/add" not in "".join(page.links)
    site.model("fraud").version()
    assert f"{VERSION[:-1]}2/lineage/add" in browse(visitor, f"{VERSION[:-1]}2/reproducibility").links


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_roles_are_offered_what_they_may_do_and_dialogs_get_the_form_alone(
    app: Flask, api: Api, database: Database
) -> None:
    site = in_process(api)
    site.model("fraud").version(datasets=[{"name": "raw.csv", "digests": [RAW]}])
    edge = f"/lineage/edges/{edges(site)['raw.csv']}"
    partial = {"HX-Request": "true", "HX-Request-Type": "partial", "HX-Target": "dialog#dialog"}
    offered = {}
    for role in ("reader", "writer", "promoter"):
        client = logged_in(app, database.tokens[role])
        page, dialog = browse(client, LINEAGE), client.get(edge, headers=partial).get_data(as_text=True)
        texts = ("Add to the lineage…", "Add its origin…", "Retract…")
        offered[role] = ["".join(anchor.itertext()) for anchor in page.all("a") if anchor.text in texts]
        assert ("<html" in dialog, "recorded with the registration" in dialog) == (False, True)
        assert ("Retract the edge" in dialog) == (role == "promoter")
        if role == "promoter":
            prefilled = browse(
                client, next(link for link in page.links if link.startswith(DATASETS) and RAW[7:] in link)
            )
            assert "".join(prefilled.one("textarea", name="digests").itertext()).strip() == RAW
            assert prefilled.one("input", name="name").get("value") == "raw.csv"
            fields = browse(client, edge).hidden_fields(edge) | {"reason": "x"}
            left: TestResponse = client.post(edge, data=fields, headers={**SAME_ORIGIN, **partial})
            assert (left.status_code, left.headers["HX-Redirect"]) == (204, LINEAGE)

    assert offered == {
        "reader": [], "writer": ["Add to the lineage…", "Add its origin…"],
        "promoter": ["Add to the lineage…", "Add its origin…", "Retract…"],
    }  # fmt: skip
