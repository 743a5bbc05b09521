"""Profiles in evidence archives: facts of a real history by clause, with the entries that attest them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from registry.domain.evidence.profiles import PROFILES
from registry.rules.audit_log.files import ENTRIES, read_entries
from tests.services.evidence.test_page import Outline
from tests.support.api import Api
from tests.support.evidence_archive import Evidence
from tests.support.registry_builder import RegistryBuilder
from tests.support.sealing import seal_all

MARKUP = '<b onclick=alert(1)>&"fraud"'


def recorded(registry: RegistryBuilder, name: str, text: str) -> None:
    """Record a history with *text* wherever a text is free."""
    registry.create_model(name, description=text, tags={"purpose": text})
    registry.model(name).version(
        "production",
        metrics={"auc": 0.9},
        params={"depth": text},
        datasets=[{"name": text, "digests": [f"sha256:{1:064}"], "role": "train"}],
        run={"system": "ci", "id": text},
        code={"repo": "https://git.example/fraud", "commit": "a1b2c3d"},
        framework="sklearn",
    )
    registry.model(name).version("production", parents=[{"model": name, "version": 1}], description=text)
    registry.model(name).rollback(reason=text)


def archive(api: Api, directory: Path, model: str, profile: str) -> Evidence:
    response = api.get(f"/models/{model}/evidence", query_string={"profile": profile})
    assert response.status_code == 200, response.text
    return Evidence(response.data, directory)


def clauses(evidence: Evidence) -> dict[str, Any]:
    content = json.loads(evidence.archive.read("facts/profile.json"))
    return {clause["clause"]: clause for clause in content["clauses"]}


def test_every_fact_of_a_profile_rests_on_an_entry_of_the_archive(
    app: Flask, registry: RegistryBuilder, api: Api, tmp_path: Path
) -> None:
    recorded(registry, "fraud", "finds fraud")
    seal_all(app)

    for profile in PROFILES:
        evidence = archive(api, tmp_path, "fraud", profile)
        lines = evidence.archive.read(ENTRIES).splitlines(keepends=True)
        positions = [entry.position for entry in read_entries(lines)]
        entries = {entry["id"]: (at, entry) for at, entry in zip(positions, evidence.entries(), strict=True)}

        attested = [fact["attested"] for fact in json.loads(evidence.archive.read("facts/profile.json"))["facts"]]

        assert len(list(filter(None, attested))) > 5
        for by in filter(None, attested):
            position, entry = entries[by["entry"]]
            assert (by["account"], by["at"]) == (entry["actor"]["id"], entry["ts"])
            assert (by["position"], by["action"]) == (position, entry["action"])


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_clause_has_what_was_recorded_or_is_a_gap(
    app: Flask, registry: RegistryBuilder, api: Api, tmp_path: Path
) -> None:
    recorded(registry, "fraud", "finds fraud")
    registry.model("churn").version()
    seal_all(app)

    rich = clauses(archive(api, tmp_path, "fraud", "eu-ai-act-annex-iv"))
    poor = clauses(archive(api, tmp_path, "churn", "eu-ai-act-annex-iv"))

    assert "training-data-1" in rich["2(d)"]["facts"]
    assert "metric-1" in rich["2(g)"]["facts"]
    assert rich["8"] == {
        "clause": "8",
        "title": "EU declaration of conformity (Article 47)",
        "status": "gap",
        "missing": "A copy of the declaration.",
        "facts": [],
        "left_out": {},
    }
    assert {clause for clause, answer in poor.items() if answer["status"] == "partial"} == {"1(a)", "2(h)", "6"}


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_the_table_of_a_profile_has_a_line_for_each_gap(
    app: Flask, registry: RegistryBuilder, api: Api, tmp_path: Path
) -> None:
    registry.model("churn").version()
    seal_all(app)

    evidence = archive(api, tmp_path, "churn", "sr-26-2")

    lines = evidence.table("profile")

    assert [line["fact"] for line in lines if line["clause"] == "VII"] == [""]
    inventory = [line for line in lines if line["clause"] == "VI (model inventory)" and line["kind"] == "version"]
    (registered,) = evidence.facts("versions")
    assert [(line["entry"], line["action"]) for line in inventory] == [
        (registered["registered"]["entry"], "version.registered")
    ]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_markup_in_names_tags_and_reasons_stays_text(
    app: Flask, registry: RegistryBuilder, api: Api, tmp_path: Path
) -> None:
    recorded(registry, "fraud", "finds fraud")
    recorded(registry, MARKUP, MARKUP)
    seal_all(app)

    plain, hostile = (
        Outline(archive(api, tmp_path, model, "iso-42001").archive.read("index.html").decode())
        for model in ("fraud", MARKUP)
    )

    assert hostile.elements == plain.elements
    assert "".join(hostile.texts).count(MARKUP) > 20
    assert "version.rolled_back" in plain.texts  # the history of entries
