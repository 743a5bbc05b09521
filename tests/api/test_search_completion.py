"""``GET /search/complete``: suggestions from the names and values that the registry has, on both databases."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from registry.db.bulk_insert import insert_rows
from registry.db.models import Version, VersionTag
from registry.db.session import transaction
from registry.services.search import completion
from tests.support.api import Api
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect
from tests.support.statement_counting import counting_statements

DIGEST = f"sha256:{'ab' * 32}"
ODD = 'it\'s "50%" \\ ünï 🦊'


@pytest.fixture
def stocked(registry: RegistryBuilder, api: Api) -> None:
    model = registry.model("fraud")
    model.version(
        tags={"team": "risk", "Team": "x", "any key": ODD, "long": "x" * 200, "a`b": "y", 'a`"b': "z"},
        params={"depth": "5"},
        datasets=[{"name": "train.csv", "digests": [DIGEST]}],
        run={"system": "ci", "id": "run-41"},
        evaluations=[{"metrics": {"auc": 0.9}, "dataset_digest": DIGEST}],
    )
    model.version(tags={"team": "fraud", "tier": "1"}, run={"system": "ci", "id": "run-42"})
    registry.model("gone").version()
    expect(200, api.delete("/models/gone"))
    expect(200, api.patch("/models/fraud", {"tags": {"owner": "ann"}}))


def complete(api: Api, text: str, **query: Any) -> list[str]:
    document = expect(200, api.get("/search/complete", query_string={"q": text, **query}))
    assert len(document["items"]) <= 12
    return [one["text"] for one in document["items"]]


@pytest.mark.usefixtures("stocked")
def test_names_and_values_come_from_the_registry(api: Api) -> None:
    expected = {
        "tags.": ["tags.Team", 'tags."a`b"', "tags.`any key`", "tags.long", "tags.team", "tags.tier"],
        "tags.t": ["tags.team", "tags.tier"],
        "tags.team = ": ["'fraud'", "'risk'"],
        "tags.team = 'r": ["'risk'"],
        "tags.`any key` = 'it''s": ["'" + ODD.replace("'", "''") + "'"],
        "tags.long = ": [],  # longer than what the index has
        "params.d": ["params.depth"],
        "dep": ["params.depth"],
        "au": ["metrics.auc"],
        "metrics.auc ON ": [f"'{DIGEST}'"],
        "metrics.auc ON 'sha256:ab": [f"'{DIGEST}'"],
        "name = ": ["'fraud'"],  # the deleted one is not found either
        "dataset.name = 't": ["'train.csv'"],
        "dataset.digest = 'sha256:": [f"'{DIGEST}'"],
        "run.id IN ('run-41', ": ["'run-41'", "'run-42'"],
        "created_by = ": [],
        "tags.owner": [],
    }

    shown = {text: complete(api, text) for text in expected}

    assert {text: sorted(found) for text, found in shown.items()} == {
        text: sorted(found) for text, found in expected.items()
    }
    assert complete(api, "tags.o", of="models") == ["tags.owner"]


@pytest.mark.usefixtures("stocked")
def test_the_place_is_that_of_the_caret(api: Api) -> None:
    text = "tags.te = 'risk' AND stage = 'none'"

    document = expect(200, api.get("/search/complete", query_string={"q": text, "caret": 7}))

    assert document == {"start": 0, "end": 7, "items": [{"text": "tags.team", "kind": "key"}]}
    assert complete(api, "stage = 'st", caret=99999) == ["'staging'"]


@pytest.mark.usefixtures("stocked")
def test_a_value_of_a_million_rows_costs_one_look_up(app: Flask, api: Api) -> None:
    with app.app_context(), transaction() as session:
        (version,) = session.query(Version.id).limit(1).one()
        rows = [{"version_id": version, "key": f"key{number:04}", "value": "x"} for number in range(500)]
        insert_rows(session, VersionTag, rows)

    with counting_statements(app) as statements:
        found = complete(api, "tags.key0")

    assert found == [f"tags.key00{number:02}" for number in range(12)]
    assert len(statements) == 1


@pytest.mark.usefixtures("stocked")
def test_odd_texts_are_completed_with_nothing(app: Flask, api: Api) -> None:
    odd = ["\ud800", "tags.team = '\ud800", "tags.`\x01", "tags." + "x" * 300, "name = '" + "x" * 39_000, "'" * 9999,
           "name = '%", "name = '_", "name = '\\", "🦊", "tags.`" * 999]  # fmt: skip
    with app.app_context():
        assert [completion.complete(text).items for text in odd] == [[]] * len(odd)
    for begun in ("(" * 9999, "NOT " * 9000):
        assert len(complete(api, begun)) == 12
    expect(422, api.get("/search/complete", query_string={"q": "x" * 40_001}))
    expect(422, api.get("/search/complete?q=%00"))
    expect(422, api.get("/search/complete?of=colours"))
    expect(422, api.get("/search/complete?caret=-1"))
