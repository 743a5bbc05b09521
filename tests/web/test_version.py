"""The page of a version: in every state it says what is so, what to do, and where the version came from."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.support.api import Api
from tests.support.pages import Seen, browse
from tests.support.registry_builder import RegistryBuilder, named_run
from tests.support.replies import expect
from tests.support.worker_results import change_version, find_damage

MODEL = "/models/fraud"
DATA = f"sha256:{'ab' * 32}"
PARTIAL = {"HX-Request": "true", "HX-Request-Type": "partial", "HX-Target": "div#state"}


def facts(**others: Any) -> dict[str, Any]:
    code = {"repo": "https://github.com/acme/fraud", "commit": "17ba0791aa", "branch": "main", "dirty": True,
            "command": "python train.py"}  # fmt: skip
    data = [{"name": "payments", "digests": [DATA], "role": "train", "uri": "s3://data/payments"}]
    return {"code": code, "datasets": data, "run": named_run("4111") | {"url": "https://ci.test/4111"}, **others}


@pytest.fixture
def model(site: RegistryBuilder) -> Any:
    model = site.model()
    model.version("production", metrics={"auc": 0.75, "p99_ms": 10.0}, params={"depth": "8", "trees": "3"}, **facts())
    return model


def test_a_version_is_compared_with_the_one_in_production(model: Any, visitor: FlaskClient) -> None:
    new = {"auc": 0.5, "p99_ms": 10.0, "f1": 0.25}
    signature = {"inputs": '[{"name": "amount", "type": "double"}]'}
    model.version(
        "staging", metrics=new, params={"depth": "5", "trees": "3"}, tags={"ci": "green"}, aliases=["challenger"],
        description="Trained on November.", framework="sklearn", signature=signature, **facts(run=named_run("4112")),
    )  # fmt: skip

    seen = browse(visitor, f"{MODEL}/versions/2")

    for text in (
        "fraud v2", "staging", "@challenger", "sklearn", "1 file", "all verified",
        "Trained on November.", "against v1 in production", "auc 0.5 0.75 −0.25", "p99_ms 10 10 0",
        "f1 0.25 not measured", "depth 5 8", "trees 3 same", "payments", "1 other version uses it", "17ba0791aa",
        "uncommitted changes", "command python train.py", "ci=green", "amount",
        "allowed; v1 leaves production and is archived",
        "none allowed", "‹ v1",
    ):  # fmt: skip
        assert text in seen.text, text
    assert f"{MODEL}/versions/2/files" in seen.links
    outside = [link.get("href") for link in seen.all("a", rel="noopener noreferrer nofollow")]
    assert outside == ["https://github.com/acme/fraud", "https://github.com/acme/fraud/commit/17ba0791aa"]
    first = browse(visitor, f"{MODEL}/versions/1")
    assert "against" not in first.text
    assert "v2 ›" in first.text


def test_a_version_without_facts_says_so(site: RegistryBuilder, visitor: FlaskClient) -> None:
    site.model().version()

    seen = browse(visitor, f"{MODEL}/versions/1")

    for text in ("No measurements", "No parameters are recorded", "no data recorded", "No tags", "not recorded"):
        assert text in seen.text, text
    assert browse(visitor, f"{MODEL}/versions/2", status=404).one("h1").text


def test_each_state_is_explained(model: Any, dev_app: Flask, visitor: FlaskClient) -> None:
    for _ in range(4):
        model.version()
    change_version(dev_app, "fraud", 2, state="failed", state_reason="the bytes of model.bin differ")
    change_version(dev_app, "fraud", 3, state="pending")
    change_version(dev_app, "fraud", 4, state="unverified", source="s3://elsewhere/model", manifest_digest=None)
    change_version(dev_app, "fraud", 5, claimed={"stage": "Production", "tags": {"by": "mlflow"}}, rolled_back=True)
    texts = {
        2: ["failed", "Reason: the bytes of model.bin differ", "refused"],
        3: ["pending", "1 of 1 files are verified; a worker verifies the others."],
        4: ["unverified", "s3://elsewhere/model", "files unknown"],
        5: ["rolled back", "Facts from the source registry", "Production", "return to production only through"],
    }

    for number, words in texts.items():
        seen = browse(visitor, f"{MODEL}/versions/{number}")
        assert [text for text in words if text not in seen.text] == []
        assert bool(seen.all("div", data_live=f"{MODEL}/versions/{number}")) == (number == 3)


def test_the_state_of_a_pending_version_is_brought_up_to_date(model: Any, dev_app: Flask, visitor: FlaskClient) -> None:
    model.version()
    change_version(dev_app, "fraud", 2, state="pending")
    address = f"{MODEL}/versions/2"
    part = browse(visitor, address).one("div", id="state")

    def poll(tag: str) -> Any:
        return visitor.get(address, headers={**PARTIAL, "If-None-Match": tag})

    tag = str(part.get("data-tag"))
    assert poll(tag).status_code == 304
    change_version(dev_app, "fraud", 2, state="ready", row_version=9)
    fresh = poll(tag)
    text = fresh.get_data(as_text=True)
    assert fresh.status_code == 200
    assert "all verified" in text
    assert "<html" not in text
    assert "Parameters" not in text
    assert poll(fresh.headers["ETag"]).status_code == 304


def test_what_was_rolled_back_or_deleted_names_who_did_it_and_why(
    model: Any, visitor: FlaskClient, dev_app: Flask
) -> None:
    api = Api(visitor, None, "http://localhost")
    model.version("production")
    model.version()
    expect(200, api.post(f"{MODEL}/rollback", {"reason": "p99 doubled"}))
    expect(200, api.delete(f"{MODEL}/versions/3?reason=obsolete"))

    rolled_back, deleted = browse(visitor, f"{MODEL}/versions/2"), browse(visitor, f"{MODEL}/versions/3")

    assert "Rolled back just now by local-dev: “p99 doubled”" in rolled_back.text
    assert "Rolled back" not in browse(visitor, f"{MODEL}/versions/1").text
    assert "Deleted just now by local-dev: “obsolete”" in deleted.text
    assert "Next moves" not in deleted.text


def test_damage_is_named_with_its_files(
    model: Any, site: RegistryBuilder, dev_app: Flask, visitor: FlaskClient
) -> None:
    lost = site.file(b"lost", "weights/a.bin")
    model.version(files=[lost, site.file(b"whole", "b.bin")])
    find_damage(dev_app, lost["sha256"])

    seen = browse(visitor, f"{MODEL}/versions/2")

    assert "Stored bytes of 1 of 2 files are missing or corrupt" in seen.text
    assert "all verified" not in seen.text
    assert f"{MODEL}/versions/2/files/weights/a.bin" in seen.links
    assert "1 damaged" in browse(visitor, f"{MODEL}/versions/2/files").text
    in_folder = browse(visitor, f"{MODEL}/versions/2/files?folder=weights")
    assert "missing" in in_folder.text
    assert "No preview" in browse(visitor, f"{MODEL}/versions/2/files/weights/a.bin").text


def test_a_version_with_thousands_of_facts_has_a_bounded_page(site: RegistryBuilder, visitor: FlaskClient) -> None:
    many = range(1000)
    site.model().version("production", params={f"p{n}": "x" * 100 for n in many}, metrics={f"m{n}": n for n in many})
    site.model().version(params={f"p{n}": "y" * 100 for n in many}, tags={f"t{n}": "z" for n in range(100)})

    response = browse(visitor, f"{MODEL}/versions/2").response

    assert "and 900 more" in Seen(response).text
    assert len(response.data) < 110_000
