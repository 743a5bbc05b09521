"""How many statements the pages of a model and of a version execute, whole and block by block: pinned.

Each count is the same for a model with one version and for one with many, so that a page cannot begin to read a row at
a time.
"""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from registry.db.session import engine_of
from tests.support.many_versions import repeat_latest_version
from tests.support.registry_builder import RegistryBuilder, named_run
from tests.support.statement_counting import counting_statements

MODEL, VERSION = "/models/fraud", "/models/fraud/versions/2"
DATA = {"name": "cards", "digests": ["sha256:" + "1" * 64], "role": "train"}

# Statements by the address and by the block that htmx asks for; "" is the whole page.
EXPECTED = {
    (MODEL, ""): 8,
    (MODEL, "holders"): 2,
    (MODEL, "timeline"): 3,
    (MODEL, "metric"): 4,
    (MODEL, "versions"): 2,
    (f"{MODEL}?metric=auc&last=200", "metric"): 4,
    (f"{MODEL}?stage=production", "versions"): 2,
    (VERSION, ""): 17,
    (VERSION, "state"): 5,
    (VERSION, "metrics"): 3,
    (VERSION, "params"): 3,
    (VERSION, "origin"): 4,
    (VERSION, "moves"): 7,
    (f"{VERSION}/card", "card"): 6,
    (f"{VERSION}/stage", "dialog"): 7,
    (f"{VERSION}/stage?check=1", "move-files"): 8,
    (f"{VERSION}/lineage", ""): 19,
    (f"{VERSION}/lineage?retracted=1", ""): 20,
    (f"{VERSION}/lineage/add", "dialog"): 1,
    (f"{VERSION}/history", ""): 10,
    (f"{VERSION}/history?verify=1", "verification"): 35,
}


def executed(visitor: FlaskClient, app: Flask) -> dict[tuple[str, str], int]:
    """The number of statements of each page and block, once the process has the versions of its tables cached."""
    found = {}
    for address, block in EXPECTED:
        partial = {"HX-Request": "true", "HX-Request-Type": "partial", "HX-Target": f"div#{block}"} if block else {}
        visitor.get(address, headers={"Accept": "text/html", **partial})
        with counting_statements(app) as statements:
            response = visitor.get(address, headers={"Accept": "text/html", **partial})
        assert response.status_code == 200, (address, block)
        assert (b"<html" in response.data) == (not block), (address, block)
        found[address, block] = sum(not text.startswith("BEGIN") for text in statements)
    return found


def expected(app: Flask) -> dict[tuple[str, str], int]:
    """Return the pinned counts; on SQLite a search by a value counts the rows that have it."""
    counted = {(VERSION, ""), (VERSION, "origin")} if engine_of(app).dialect.name == "sqlite" else set()
    return {key: count + (key in counted) for key, count in EXPECTED.items()}


def build(site: RegistryBuilder) -> None:
    code = {"repo": "https://git.test/fraud", "commit": "17ba0791aaaa"}
    site.create_model("fraud", description="Scores cards.", tags={"team": "risk"})
    for number, stage in enumerate(("production", "staging"), start=1):
        files = [site.file(f"{number}".encode(), "model.bin"), site.file(b"# Fraud", "README.md")]
        site.model("fraud").version(
            stage, metrics={"auc": 0.9, "p99_ms": 12.0}, params={"depth": "5"}, files=files, datasets=[DATA], code=code,
            run=named_run(f"{number}"), aliases=[f"a{number}"],
        )  # fmt: skip


def test_pages_and_blocks_execute_as_many_statements_as_they_did(
    visitor: FlaskClient, site: RegistryBuilder, dev_app: Flask
) -> None:
    build(site)

    assert executed(visitor, dev_app) == expected(dev_app)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_many_versions_cost_no_more_statements(visitor: FlaskClient, site: RegistryBuilder, dev_app: Flask) -> None:
    build(site)
    repeat_latest_version(dev_app, "fraud", 300)

    many, few = executed(visitor, dev_app), expected(dev_app)

    assert {key: count for key, count in many.items() if count > few[key]} == {}


def test_a_poll_that_finds_nothing_new_reads_the_row_alone(
    visitor: FlaskClient, site: RegistryBuilder, dev_app: Flask
) -> None:
    build(site)
    polled = {}
    for address, block in ((MODEL, "holders"), (VERSION, "state")):
        headers = {"HX-Request": "true", "HX-Request-Type": "partial", "HX-Target": f"div#{block}"}
        tag = visitor.get(address, headers=headers).headers["ETag"]
        with counting_statements(dev_app) as statements:
            assert visitor.get(address, headers=headers | {"If-None-Match": tag}).status_code == 304
        polled[block] = sum(not text.startswith("BEGIN") for text in statements)

    assert polled == {"holders": 1, "state": 1}
