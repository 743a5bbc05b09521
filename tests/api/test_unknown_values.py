"""A filter never answers with silence where nothing can match; digests are found in every form."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.api import Api
from tests.support.mlflow_api import MlflowApi
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect

HEX = "9F86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
STORED = f"sha256:{HEX.lower()}"


def refused(api: Api, path: str, parameter: str, value: str, **query: str) -> Any:
    """The nearest value that the refusal of a filter names."""
    problem = expect(400, api.get(path, query_string=query))
    assert (problem["code"], problem["parameter"], problem["value"]) == ("unknown_value", parameter, value)
    assert repr(value) in problem["detail"]
    assert problem["nearest"] is None or f"did you mean {problem['nearest']!r}?" in problem["detail"]
    return problem["nearest"]


def test_an_unknown_model_actor_or_action_is_refused_with_the_nearest(
    api: Api, registry: RegistryBuilder, as_role: Callable[[str], Api]
) -> None:
    registry.model("fraud").version()
    expect(200, as_role("promoter").put("/models/fraud/versions/1/stage", {"stage": "staging", "reason": "why"}))

    for form in ({}, {"format": "jsonl"}, {"format": "csv", "after": "start"}, {"after": "start"}):
        assert refused(api, "/audit", "model", "Fruad", model="Fruad", **form) == "fraud"
        assert refused(api, "/audit", "model", "zzz", model="zzz", **form) is None
        assert refused(api, "/audit", "actor", "promotor", actor="promotor", **form) == "promoter"
        assert refused(api, "/audit", "action", "version.promotd", action="version.promotd", **form) == (
            "version.promoted"
        )
    for path in ("/models/fraud/history", "/models/fraud/versions/1/history"):
        assert refused(api, path, "action", "version.prom", action="version.prom") == "version.promoted"
        assert refused(api, path, "actor", "promotor", actor="promotor") is None  # accounts are for auditors to list
    assert refused(api, "/models", "name", "fraud2", name="fraud2") == "fraud"
    assert refused(api, "/refusals", "actor", "promotor", actor="promotor") == "promoter"
    assert refused(api, "/refusals", "action", "version:promot", action="version:promot") == "version:promote"
    assert refused(api, "/refusals", "code", "forbiden", code="forbiden") == "forbidden"


def test_a_known_value_with_an_empty_answer_is_no_mistake(
    api: Api, registry: RegistryBuilder, as_role: Callable[[str], Api]
) -> None:
    registry.create_model("empty")
    as_role("reader")

    for query in ("/audit?actor=reader", "/audit?action=version.purged", "/audit?action=log.checkpointed",
                  "/audit?model=empty&action=model.edited", "/audit?after=start&actor=reader",
                  "/models?name=empty&deleted=true", "/search/versions?filter=name='empty'"):  # fmt: skip
        assert expect(200, api.get(query))["items"] == [], query
    # Refusals that an earlier test met may be counted only now.
    for query in ("/refusals?actor=reader", "/refusals?code=stale", "/refusals?action=audit:read"):
        expect(200, api.get(query))


@pytest.mark.parametrize("path", ["/models/fraud/history", "/models/fraud/versions/1/history", "/search/versions"])
def test_a_reader_cannot_test_which_accounts_there_are(
    registry: RegistryBuilder, as_role: Callable[[str], Api], path: str
) -> None:
    registry.model("fraud").version()
    expect(201, as_role("writer").post("/models", {"name": "other"}))

    def answer(account: str) -> Any:
        name, value = ("filter", f"created_by = '{account}'") if "search" in path else ("actor", account)
        body = json.loads(as_role("reader").get(path, query_string={name: value}).text.replace(account, "NAME"))
        return {**body, "request_id": None}

    hidden = answer("auditor")

    assert "no account with this name has changed a model: 'NAME'" in hidden["detail"]
    assert hidden == answer("absentee")
    assert answer("writer")["items"] == []  # every reader can read that it made a model


@pytest.mark.parametrize(
    ("filter", "value", "nearest"),
    [
        ("metrics.acu > 0.9", "metrics.acu", "metrics.auc"),
        ("tags.team = 'risk' AND params.detph = '6'", "params.detph", "params.depth"),
        ("tags.Team = 'risk'", "tags.Team", "tags.team"),
        ("name = 'fruad'", "fruad", "fraud"),
        ("name IN ('fruad', 'zzz')", "fruad", "fraud"),
        ("created_by = 'stranger'", "stranger", None),
    ],
)
def test_a_search_for_a_name_or_key_that_nothing_has_is_refused(
    api: Api, registry: RegistryBuilder, filter: str, value: str, nearest: str | None
) -> None:
    registry.model("fraud").version(metrics={"auc": 0.93}, params={"depth": "6"}, tags={"team": "risk"})

    assert refused(api, "/search/versions", "filter", value, filter=filter) == nearest


def test_an_order_by_a_key_that_nothing_has_is_refused(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(metrics={"auc": 0.93}, tags={"team": "risk"})
    registry.model("other").version(metrics={"loss": 0.1})

    assert refused(api, "/search/versions", "order_by", "metrics.acu", order_by="metrics.acu DESC") == "metrics.auc"
    query = {"filter": "name = 'other'", "order_by": "metrics.auc"}
    assert len(expect(200, api.get("/search/versions", query_string=query))["items"]) == 1
    assert refused(api, "/search/models", "filter", "tags.tema", filter="tags.tema = 'risk'") is None


@pytest.mark.parametrize(
    ("filter", "says"),
    [
        ("stage = 'prodution'", "never 'prodution'; did you mean 'production'?"),
        ("stage IN ('staging', 'Production')", "never 'Production'; did you mean 'production'?"),
        ("stage LIKE 'Prod%'", "never 'Prod%'"),
        ("status = 'redy'", "did you mean 'ready'?"),
        ("stagee = 'staging'", "there is no key stagee; did you mean 'stage'?"),
        ("dataset.digest = 'train.csv'", "a digest must be <algorithm>:<lower-case hex>"),
        (f"dataset.digest LIKE '{HEX[:12]}%'", f"as in 'sha256:{HEX[:12].lower()}%'"),
    ],
)
def test_a_search_that_can_match_nothing_is_refused_at_its_column(api: Api, filter: str, says: str) -> None:
    assert says in expect(422, api.get("/search/versions", query_string={"filter": filter}))["detail"]


def test_a_choice_that_there_is_not_is_refused_with_the_nearest(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version()

    for query, near in (("stage=prod", None), ("stage=Production", "production"), ("state=redy", "ready")):
        detail = expect(422, api.get(f"/models/fraud/versions?{query}"))["detail"]
        assert (f"did you mean '{near}'?" in detail) is (near is not None)


def test_a_digest_is_found_in_every_form(api: Api, registry: RegistryBuilder) -> None:
    others = {"md5": "0A" * 16, "sha1": "0b" * 20, "sha512": "0c" * 64}
    digests = [
        STORED,
        "mlflow:1a2B3c4d",
        "mlflow:00ff00ff",
        *(f"{name}:{hex_.lower()}" for name, hex_ in others.items()),
    ]
    registry.model("fraud").version(datasets=[{"name": "train", "digests": digests}])

    for form in (STORED, f"SHA256:{HEX}", f"sha256:{HEX}", HEX, HEX.lower(), f" {HEX} ", f"sha256-{HEX}",
                 *others.values(), "mlflow:1a2B3c4d", "MLflow:1a2B3c4d", "00ff00ff"):  # fmt: skip
        for filter_ in (f"dataset.digest = '{form}'", f"dataset.digest IN ('md5:{'00' * 16}', '{form}')"):
            assert len(expect(200, api.get("/search/versions", query_string={"filter": filter_}))["items"]) == 1, form
    for pattern in (f"SHA256:{HEX[:10]}%", "mlflow:1a2B%", f"%{HEX[-6:]}"):
        query = {"filter": f"dataset.digest LIKE '{pattern}'"}
        assert len(expect(200, api.get("/search/versions", query_string=query))["items"]) == 1, pattern
    query = {"filter": f"dataset.digest != 'SHA256:{HEX}'"}
    assert len(expect(200, api.get("/search/versions", query_string=query))["items"]) == 1  # it has others


def test_the_log_of_a_model_is_found_by_its_former_name(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version()
    MlflowApi(api.client, api.token).make("POST", "/registered-models/rename", name="fraud", new_name="risk")

    old, new = (expect(200, api.get(f"/audit?model={name}"))["items"] for name in ("fraud", "risk"))

    assert old == new != []
