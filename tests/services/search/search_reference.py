"""MLflow's own answers to searches: run by the Python of an MLflow environment, with an empty database and a JSON file.

In the file: ``models`` and ``versions`` to make, and ``searches``. Printed as JSON, for each search: the names that
were found, or the text of the refusal. The store is MLflow's own on SQLite: this is what a stock server would answer.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from mlflow.entities.model_registry import ModelVersionTag, RegisteredModelTag
from mlflow.exceptions import MlflowException
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy import text


def main() -> None:
    database, questions = sys.argv[1:]
    asked = json.loads(Path(questions).read_text())
    store = SqlAlchemyStore(f"sqlite:///{database}")
    fill(store, asked["models"], asked["versions"])
    json.dump([answer(store, **search) for search in asked["searches"]], sys.stdout)


def fill(store: Any, models: list[dict[str, Any]], versions: list[dict[str, Any]]) -> None:
    for model in models:
        store.create_registered_model(model["name"], [RegisteredModelTag(*pair) for pair in model["tags"].items()])
    for version in versions:
        tags = [ModelVersionTag(*pair) for pair in version["tags"].items()]
        store.create_model_version(version["model"], version["source"], run_id=version["run_id"], tags=tags)
    with store.engine.begin() as connection:
        for model in models:
            change = "UPDATE registered_models SET last_updated_time = :revised WHERE name = :name"
            connection.execute(text(change), {"name": model["name"], "revised": model["revised_ms"]})
        for version in versions:
            change = (
                "UPDATE model_versions SET creation_time = :created, last_updated_time = :revised "
                "WHERE name = :name AND version = :number"
            )
            values = {"name": version["model"], "number": version["number"]}
            values |= {"created": version["created_ms"], "revised": version["revised_ms"]}
            connection.execute(text(change), values)


def answer(store: Any, *, kind: str, filter: str | None, order_by: list[str], limit: int) -> dict[str, Any]:
    search = store.search_registered_models if kind == "models" else store.search_model_versions
    try:
        found = search(filter_string=filter, order_by=order_by, max_results=limit)
    except MlflowException as error:
        return {"refused": error.message, "code": error.error_code}
    except Exception as error:  # what a server turns into an internal error
        return {"broken": repr(error)}
    if kind == "models":
        return {"found": [model.name for model in found], "more": bool(found.token)}
    return {"found": [f"{version.name}:{version.version}" for version in found], "more": bool(found.token)}


if __name__ == "__main__":
    main()
