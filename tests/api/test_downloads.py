"""Who asked for the bytes of which version is counted by the hour, for auditors, without a statement of its reads."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from registry.cli.main import run
from registry.db import times
from registry.db.models import Download
from registry.db.session import db, transaction
from registry.http.context import EXTENSION
from registry.services.maintenance import cleanup
from registry.services.usage.downloads import DownloadCounts, Way
from registry.services.usage.hourly_counts import MOST_KEYS
from tests.support.api import HOST, Api
from tests.support.databases import Database
from tests.support.paging import walk
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect
from tests.support.statement_counting import counting_statements
from tests.support.web_server import serving

HERE = "127.0.0.1"


@pytest.fixture(autouse=True)
def counts(app: Flask) -> DownloadCounts:
    """What the app has counted; nothing when the test begins."""
    counts: DownloadCounts = app.extensions[EXTENSION].downloads
    counts._waiting.clear()
    counts._known.clear()
    return counts


def told(api: Api, query: str = "") -> list[tuple[Any, ...]]:
    items = walk(api, f"/downloads?{query}", limit=2)
    return sorted((item["model"], item["number"], item["way"], item["actor"]["name"], item["count"]) for item in items)


def test_each_way_to_the_bytes_of_a_version_is_counted_and_nothing_else(
    app: Flask, api: Api, registry: RegistryBuilder, as_role: Callable[[str], Api], database: Database
) -> None:
    registry.model("fraud").version()
    registry.model("other").version()
    reader, files = as_role("reader"), "/models/fraud/versions/1/files"
    model = expect(200, api.get("/models/fraud"))["id"]
    proxied = f"/api/2.0/mlflow-artifacts/artifacts/versions/{model}/1/model.bin"
    with counting_statements(app) as statements:
        for _ in range(2):
            assert reader.get(f"{files}/model.bin").status_code == 302
        expect(200, reader.get(f"{files}?signed=true"))
        bearer = {"Authorization": f"Bearer {reader.token}"}
        for sent in (
            api.get("/models/fraud/versions/1/archive"),
            api.client.open(proxied, base_url=HOST, headers=bearer),
        ):
            with sent:
                assert sent.status_code == 200
    expect(200, reader.get(files))
    expect(404, reader.get(f"{files}/nothing"))
    assert reader.get("/models/other/versions/1/files/model.bin").status_code == 302

    of_fraud = [
        ("fraud", 1, "archive", "all", 1),
        ("fraud", 1, "file", "reader", 2),
        ("fraud", 1, "files", "reader", 1),
    ]
    assert not [one for one in statements if "downloads" in one]
    found = told(api)
    assert [one for one in found if one[2] != "mlflow"] == [*of_fraud, ("other", 1, "file", "reader", 1)]
    assert [one for one in found if one[2] == "mlflow"] == [("fraud", 1, "mlflow", "reader", 1)]
    assert {one[0] for one in told(api, "model=fraud")} == {"fraud"}
    assert told(api, "actor=all") == of_fraud[:1]
    assert told(api, f"address={HERE}") == found
    assert told(api, "address=192.0.2.1") == told(api, "since=2999-01-01T00:00:00Z") == []
    assert expect(400, api.get("/downloads?model=fraudd"))["code"] == "unknown_value"
    assert expect(422, api.get("/downloads?action=x"))["errors"].keys() == {"action"}
    for role, status in (("auditor", 200), ("admin", 200), ("promoter", 403)):
        expect(status, as_role(role).get("/downloads"))
    metrics = api.client.get("/metrics", base_url=HOST).get_data(as_text=True)
    assert 'registry_downloads_total{way="archive"}' in metrics


def test_counts_are_bounded_deleted_after_a_month_and_shown_by_the_command_line(
    app: Flask, api: Api, counts: DownloadCounts, database: Database, capfd: pytest.CaptureFixture[str]
) -> None:
    me = expect(200, api.get("/me"))["id"]
    with app.app_context():
        now = times.now()
    for number in range(MOST_KEYS + 7):
        counts.add(at=now, actor=me, address=HERE, model="fraud", number=number, way=Way.FILE)
    counts.add(at=now - timedelta(days=31), actor=me, address=HERE, model="old", number=1, way=Way.FILE)

    with serving(app) as url:
        code = run(["audit", "downloads", "--limit", "0", "--url", url, "--token", database.tokens["auditor"]])
    printed = capfd.readouterr().out
    with app.app_context():
        cleanup.run(store=app.extensions[EXTENSION].store)
        with transaction() as session:
            rows = session.query(Download).all()
            left, others = len(rows), [row.count for row in rows if not row.model]
        db.engine.dispose()

    assert code == 0
    assert "fraud:499" in printed
    assert "others" in printed
    assert "old:1" in printed
    assert (left, others) == (MOST_KEYS + 1, [7])
