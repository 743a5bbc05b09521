"""What is shipped for Prometheus and Grafana: valid, tested, and about numbers that there are."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from registry.app import create_app
from registry.config import Settings
from registry.db.session import db
from registry.http.context import EXTENSION
from registry.services.maintenance import heartbeats
from registry.services.monitoring import table_counts
from registry.telemetry.meters import meters
from tests.support.api import Api
from tests.support.databases import Database
from tests.support.promtool import promtool
from tests.support.registry_builder import in_process
from tests.support.registry_identity import claim
from tests.support.sealing import seal_all

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "rules.yml"
DASHBOARD = DEPLOY / "grafana" / "model-registry.json"
NAME = re.compile(r"\bregistry_[a-z_]+\b")


def run(*arguments: str | Path, cwd: Path = RULES.parent) -> str:
    done = subprocess.run([promtool(), *arguments], cwd=cwd, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def dashboard() -> list[str]:
    """Every query of every panel, with what Grafana would put in place of its variables."""
    document = json.loads(DASHBOARD.read_text())
    queries = [target["expr"] for panel in document["panels"] for target in panel.get("targets", [])]
    return [query.replace("$__rate_interval", "5m").replace("$job", "model-registry") for query in queries]


@pytest.fixture(scope="module")
def told(
    databases: Callable[[str], Database], make_settings: Callable[..., Settings], storage_root: Path
) -> Iterator[str]:
    """What a service tells that has done a bit of everything."""
    database = databases("sqlite")
    database.reset()
    claim(storage_root)
    app = create_app(make_settings(database.url))
    api = Api(app.test_client(), database.tokens["all"])
    registry = in_process(api)
    registry.model("fraud").version(stage="production")
    registry.model("fraud").version(stage="production")
    registry.model("fraud").rollback()
    api.get("/models/nothing")
    seal_all(app, app.extensions[EXTENSION].pin)
    with app.app_context():
        heartbeats.Pulse("worker").beat(doing=[], failing=["scrubbing"])
        table_counts.take(least_age=timedelta())
        meters().pool(db.engine.pool, max_overflow=5)
    yield api.client.get("/metrics").get_data(as_text=True)
    with app.app_context():
        db.engine.dispose()


def test_promtool_accepts_the_metrics_of_a_server(told: str) -> None:
    done = subprocess.run([promtool(), "check", "metrics"], input=told, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_scrape_configuration_and_the_rules_are_valid() -> None:
    assert f"{len(rules())} rules found" in run("check", "config", "prometheus.yml")


def test_the_alerts_fire_when_they_should_and_only_then() -> None:
    assert "SUCCESS" in run("test", "rules", "rules_test.yml")


def test_every_alert_is_tested_to_fire() -> None:
    tests = (RULES.parent / "rules_test.yml").read_text()

    assert [rule["alert"] for rule in rules() if rule["alert"] not in tests] == []


def test_every_alert_says_what_is_wrong_and_what_to_do() -> None:
    assert all(rule["annotations"].keys() == {"summary", "action"} and rule["labels"]["severity"] for rule in rules())


def test_every_query_of_the_dashboard_is_one(tmp_path: Path) -> None:
    queries = dashboard()
    recorded = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(queries)]
    (tmp_path / "queries.yml").write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": recorded}]}))

    assert f"{len(queries)} rules found" in run("check", "rules", "queries.yml", cwd=tmp_path)


@pytest.mark.parametrize("source", ["rules", "tests", "dashboard"])
def test_every_metric_that_rules_and_dashboards_use_is_exported(told: str, source: str) -> None:
    asked = {
        "rules": lambda: [rule["expr"] for rule in rules()],
        "tests": lambda: [(RULES.parent / "rules_test.yml").read_text()],
        "dashboard": dashboard,
    }[source]()
    names = set().union(*(NAME.findall(query) for query in asked))
    samples = {re.split(r"[ {]", line)[0] for line in told.splitlines() if not line.startswith("#")}

    assert names - samples == set()
    assert len(names) > 10


def test_the_labels_that_are_asked_for_have_the_values_that_there_are(told: str) -> None:
    for wanted in ('kind="rollback",outcome="done"', 'damage="missing"', 'route="/api/v1/models/<model:model>"'):
        assert wanted in told


def test_the_panels_have_ids_of_their_own() -> None:
    ids = [panel["id"] for panel in json.loads(DASHBOARD.read_text())["panels"]]

    assert len(set(ids)) == len(ids)
