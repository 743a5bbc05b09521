"""The versions on the page of a model: what each lacks, in few bytes, whatever their number."""

from __future__ import annotations

from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import insert, select

from registry.db.models import Version, VersionMetric
from registry.db.session import transaction
from tests.support.api import Api
from tests.support.pages import Seen, browse
from tests.support.registry_builder import RegistryBuilder, named_run
from tests.support.replies import expect

MODEL = "/models/fraud"


def rows(seen: Seen, part: str = "tbody") -> list[str]:
    """The texts of the rows of the table of versions."""
    table = next(seen.one("div", id="versions").iter(part))
    lines = [["".join(cell.itertext()) for cell in row] for row in table.iter("tr")]
    return [" ".join(" ".join(cells).split()) for cells in lines]


def test_each_version_shows_what_is_unusual_about_it(site: RegistryBuilder, visitor: FlaskClient) -> None:
    data = [{"name": "d", "digests": [f"sha256:{'ab' * 32}"], "role": "train"}]
    code = {"repo": "https://git.test/fraud", "commit": "17ba0791aaaa"}
    site.model().version("production", metrics={"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0}, datasets=data, code=code)
    site.model().version("production", run=named_run("4111"), code=code | {"dirty": True}, datasets=data)
    site.model().version(aliases=["challenger"])
    expect(200, Api(visitor, None, "http://localhost").post(f"{MODEL}/rollback", {"reason": "slow"}))

    seen = browse(visitor, MODEL)

    three, two, one = rows(seen)
    assert three.startswith("v3 @challenger none no data recorded")
    assert "archived rolled back uncommitted" in two
    assert "17ba0791 · run 4111" in two
    assert "production 1 2 3" in one
    assert " a b c Digest" in rows(seen, "thead")[0]
    by_d = browse(visitor, f"{MODEL}?metric=d")
    assert " d a b Digest" in rows(by_d, "thead")[0]
    archived = browse(visitor, f"{MODEL}?stage=archived&metric=d")
    assert [row.split()[0] for row in rows(archived)] == ["v2"]
    assert f"{MODEL}?metric=d&stage=production" in [link.partition("#")[0] for link in archived.links]
    assert "No version is in stage staging." in browse(visitor, f"{MODEL}?stage=staging").text
    assert browse(visitor, f"{MODEL}?stage=absent", status=422).one("h1").text


def test_a_thousand_versions_fit_on_pages_of_fifty(site: RegistryBuilder, visitor: FlaskClient, dev_app: Flask) -> None:
    code = {"repo": "https://git.test/fraud", "commit": "17ba0791aaaa"}
    site.model().version("production", metrics={"auc": 0.9}, run=named_run("4111"), code=code)
    with dev_app.app_context(), transaction() as session:
        first: Any = session.execute(select(Version.__table__)).mappings().one()
        copies = [{**first, "id": first.id + n, "number": 1 + n, "stage": "staging"} for n in range(1, 1000)]
        session.execute(insert(Version.__table__), copies)
        metric: Any = session.execute(select(VersionMetric.__table__)).mappings().one()
        measured = [{**metric, "id": metric.id + n, "version_id": first.id + n} for n in range(1, 1000)]
        session.execute(insert(VersionMetric.__table__), measured)

    page = browse(visitor, MODEL)
    (older,) = [link for link in page.links if "cursor=" in link]
    block = visitor.get(
        MODEL, headers={"HX-Request": "true", "HX-Request-Type": "partial", "HX-Target": "div#versions"}
    )

    assert len(rows(page)) == 50
    assert [row.split()[0] for row in rows(browse(visitor, older))][:2] == ["v950", "v949"]
    assert len(page.response.data) < 110_000
    assert len(block.data) < 45_000
    assert b"<h1" not in block.data
