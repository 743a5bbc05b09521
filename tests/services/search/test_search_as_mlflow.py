"""Searches in MLflow's dialect find what MLflow's own store finds, and are refused with its words."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from registry.db.models import Model, Version
from registry.db.session import transaction
from registry.domain.errors import Invalid
from registry.services.search import search
from tests.services.search import mlflow_filters as table
from tests.support.forked_processes import mlflow_server
from tests.support.mlflow_environments import MLFLOW, mlflow_python, new_mlflow_database
from tests.support.processes import environment
from tests.support.registry_builder import RegistryBuilder
from tests.support.variants import SomeOf

SCRIPT = Path(__file__).with_name("search_reference.py")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="session")
def ask_mlflow(quick_disk: Path) -> Callable[[str], list[dict[str, Any]]]:
    """MLflow's answers to searches, a list as JSON, from one process."""
    folder = quick_disk / "search-reference"
    folder.mkdir()

    @functools.cache
    def ask(searches: str) -> list[dict[str, Any]]:
        database, questions = folder / "reference.db", folder / "questions.json"
        new_mlflow_database(database)
        asked = {"models": table.MODELS, "versions": table.VERSIONS, "searches": json.loads(searches)}
        questions.write_text(json.dumps(asked))
        python = mlflow_python(MLFLOW)
        done = mlflow_server(python).run(SCRIPT, database, questions, cwd=folder, env=environment(HOME=str(folder)))
        assert done.returncode == 0, done.stderr[-3000:]
        answers: list[dict[str, Any]] = json.loads(done.stdout)
        return answers

    return ask


@pytest.fixture
def filled(app: Flask, registry: RegistryBuilder) -> Flask:
    """The app with the models and versions of the table, as an MLflow client would have made them."""
    for model in table.MODELS:
        registry.create_model(model["name"], tags=model["tags"])
    for version, files in zip(table.VERSIONS, registry.different_files(len(table.VERSIONS)), strict=True):
        registry.model(version["model"]).version(tags=version["tags"], files=files)
    with app.app_context(), transaction() as session:
        for model in table.MODELS:
            change = update(Model).where(Model.name == model["name"])
            session.execute(change.values(revised_at=instant(model["revised_ms"])))
        for version in table.VERSIONS:
            owner = session.query(Model.id).where(Model.name == version["model"]).scalar_subquery()
            change = update(Version).where(Version.model_id == owner, Version.number == version["number"])
            times = {"created_at": instant(version["created_ms"]), "revised_at": instant(version["revised_ms"])}
            session.execute(change.values(source=version["source"], run_id=version["run_id"] or None, **times))
    return app


def instant(milliseconds: int) -> datetime:
    """Somewhere in that millisecond: ours are told apart by microseconds, MLflow's are not."""
    return EPOCH + timedelta(milliseconds=milliseconds, microseconds=milliseconds * 37 % 1000)


def answer(asked: dict[str, Any]) -> dict[str, Any]:
    terms = {"order_by": asked["order_by"], "limit": asked["limit"], "token": None}
    try:
        if asked["kind"] == "models":
            models = search.find_models_mlflow(asked["filter"], **terms)
            return {"found": [model.name for model in models.items], "more": bool(models.next_page_token)}
        versions = search.find_versions_mlflow(asked["filter"], **terms)
    except Invalid as refusal:
        return {"refused": refusal.detail}
    found = [f"{version.model}:{version.number}" for version in versions.items]
    return {"found": found, "more": bool(versions.next_page_token)}


def same(theirs: dict[str, Any], ours: dict[str, Any]) -> bool:
    if "broken" in theirs or "(sqlite3." in theirs.get("refused", ""):
        return "refused" in ours  # what a server of theirs answers with an internal error is a mistake of the caller
    return {**theirs, "refused": plain(theirs.get("refused"))} == {
        **ours, "refused": plain(ours.get("refused")), **({"code": theirs["code"]} if "code" in theirs else {})
    }  # fmt: skip


def plain(text: str | None) -> str | None:
    """The text with every set in it sorted: Python shows them in another order each time."""
    return text and re.sub(r"\{([^{}]*)\}", lambda found: f"{{{', '.join(sorted(found[1].split(', ')))}}}", text)


def test_every_search_is_answered_as_mlflow_does_and_every_difference_in_the_table_is_one(
    filled: Flask, ask_mlflow: Callable[[str], list[dict[str, Any]]], some_of: SomeOf
) -> None:
    searches = table.searches()
    asked = [one for one in searches if table.reason(one)]
    asked += some_of([one for one in searches if not table.reason(one)], 3)

    reference = ask_mlflow(json.dumps(asked))
    with filled.app_context():
        answers = [answer(one) for one in asked]

    differing = [
        (one, theirs, ours)
        for one, theirs, ours in zip(asked, reference, answers, strict=True)
        if "broken" in theirs or not same(theirs, ours)
    ]
    assert [found for found in differing if table.reason(found[0]) is None and not same(*found[1:])] == []
    named = {str(one["order_by"]) if one["order_by"] else one["filter"] for one, _, _ in differing}
    assert table.DIFFERENCES.keys() - named == set()
    assert sum("found" in one and len(one["found"]) > 0 for one in answers) > len(asked) / 12
    assert sum("refused" in one for one in answers) > len(asked) / 12
