"""Real MLflow clients make the same calls of MLflow's own server and of this one; the answers are the same.

Where they differ on purpose, the table says why and what ours is.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import SECRET
from tests.support.databases import Database
from tests.support.forked_processes import mlflow_server
from tests.support.mlflow_environments import MLFLOW, MLFLOW_2, MLFLOW_OLD, mlflow_python
from tests.support.mlflow_server import MlflowServer
from tests.support.servers import Launcher, running_fleet

CALLS, WIRE_CALLS = (Path(__file__).with_name(name) for name in ("calls.py", "wire_calls.py"))
CLIENTS = {MLFLOW: False, MLFLOW_2: True, MLFLOW_OLD: True}  # whether the client alone is installed
NO_CRASH = "stock answers 500 to a user's mistake, which clients repeat for minutes; here it is a refusal"
OPAQUE = "no source is ever opened here, so none can reach into the server: it is kept as a reference"
NAMES = "an alias that could be taken for a number, a stage or another spelling is refused"
# Beside these: answers name their user (user_id), and versions have their aliases in searches and in a model's latest
# versions too; stock leaves both out. And ``status_message`` warns of an unverified version that an alias names.
DROPPED = "stock drops such a value, and the fields after it, without a word"
SPELLING = "stock's text holds its own SQL, or a type instead of the limit"

# What differs on purpose: why, and what ours answers (a text is how a refusal's message begins).
DIFFERENCES: dict[str, tuple[str, Any]] = {
    "rename taken": (SPELLING, "Registered Model (name=fraud) already exists."),
    "version nul": (OPAQUE, "Invalid model version source: 'https://host/a%00b'."),
    "version local": (OPAQUE, {"source": "/etc/passwd", "status": "READY"}),
    "version file": (OPAQUE, {"source": "file:///etc/passwd", "status": "READY"}),
    "version http": (OPAQUE, {"source": "https://elsewhere.test/model", "status": "READY"}),
    "get version huge": (NO_CRASH, "Model Version (name=fraud, version=999"),
    "archive archives nobody": (NO_CRASH, "Model version transition cannot archive existing model versions because"),
    "none archives nobody": (NO_CRASH, "Model version transition cannot archive existing model versions because"),
    "alias number": (NAMES, "alias: must not be 'latest', a number"),
    "prompt alias 12": (NAMES, "alias: must not be 'latest', a number"),
    "alias stage": (NAMES, "alias: must not be the name of a stage"),
    "alias unicode": (NAMES, "alias: must have 1 to 255 of the characters"),
    "models refuses null": (NO_CRASH, "IS NULL is not supported in this filter"),
    "models refuses too many": (SPELLING, "Invalid value for request parameter max_results. It must be at most 1000"),
    "create webhook": ("nothing would be delivered: polling and the audit log tell of changes", "Webhooks are not"),
    **{
        f"{what} with {value} in a tag": (DROPPED, "Invalid value")
        for what in ("create", "version")
        for value in ("a number", "nought", "false")
    },
    "name of 257": ("stock keeps 256 characters on all databases but SQLite", "name: must have 1 to 256 characters"),
    "release": ("it is the registry's, not MLflow's", [200, version("model-registry")]),
    "prompt number anew": ("the numbers of a prompt go on, as those of a model", 5),
    "number anew": ("a number never means two versions, not even after the model is deleted and made anew", "6"),
}

# They tie prompts to runs and traces, which a tracking server keeps, or read no more than a text.
OF_TRACKING = {
    "log_prompt",
    "detach_prompt_from_run",
    "link_prompt_version_to_model",
    "link_prompt_version_to_run",
    "link_prompt_versions_to_trace",
    "list_logged_prompts",
    "parse_prompt_uri",
}


@contextmanager
def ours(launcher: Launcher, database: Database, folder: Path) -> Iterator[str]:
    """The address of the service on an empty SQLite where new models are in lifecycle open."""
    database.reset()
    folder.mkdir()
    settings = {"database_url": database.url, "token": database.tokens["all"], "secret": SECRET}
    with running_fleet(launcher, folder, **settings, default_lifecycle="open") as fleet:
        yield fleet.server.url


def made_by(client: str, *urls: str, token: str) -> list[dict[str, Any]]:
    """What every call gave, one mapping for each of the servers; last which methods the client has."""
    python = mlflow_python(client, skinny=CLIENTS[client])
    environment = {**os.environ, "MLFLOW_TRACKING_TOKEN": token, "GIT_PYTHON_REFRESH": "quiet"}
    done = mlflow_server(python).run(CALLS, *urls, cwd=CALLS.parent, env=environment)
    assert done.returncode == 0, done.stderr[-4000:]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def wrong(theirs: dict[str, Any], ours: dict[str, Any]) -> Iterator[str]:
    """One line for each call whose answers differ, and not as the table has it; or are equal although it has them."""
    assert theirs.keys() == ours.keys()
    ours = {label: unwarned(answer) for label, answer in ours.items()}
    for label, stock in theirs.items():
        if label in DIFFERENCES:
            reason, expected = DIFFERENCES[label]
            if plain(stock) == plain(ours[label]):
                yield f"{label}: is the same, though {reason}"
            elif not is_like(ours[label], expected):
                yield f"{label}: {ours[label]}, though {reason}"
        elif plain(stock) != plain(ours[label]):
            yield f"{label}:\n  stock {stock}\n  ours  {ours[label]}"


def unwarned(answer: Any) -> Any:
    """Without the warning that an alias names an unverified version."""
    if isinstance(answer, list):
        return [unwarned(item) for item in answer]
    if isinstance(answer, dict):
        warned = str(answer.get("status_message")).startswith("unverified: ")
        return {key: unwarned(item) for key, item in answer.items()} | ({"status_message": None} if warned else {})
    return answer


def is_like(found: Any, expected: Any) -> bool:
    if isinstance(expected, dict):
        return isinstance(found, dict) and found.items() >= expected.items()
    return found == expected or (isinstance(found, dict) and str(found.get("message", "")).startswith(expected))


def plain(answer: Any) -> Any:
    """Without the order of a Python set in a message."""
    if isinstance(answer, dict) and "message" in answer:
        return answer | {"message": re.sub(r"\{.*?\}", lambda found: str(sorted(found[0].strip("{}").split(", "))),
                                         answer["message"])}  # fmt: skip
    return answer


@pytest.mark.share(100)  # the client of the newest release always runs
@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_gets_the_answers_of_mlflow_itself(
    client: str, stock_mlflow: MlflowServer, launcher: Launcher, databases: Callable[[str], Database], tmp_path: Path
) -> None:
    database = databases("sqlite")
    stock_mlflow.forget_models()

    with ours(launcher, database, tmp_path / client) as url:
        theirs, mine, answer = made_by(client, stock_mlflow.url, url, token=database.tokens["all"])

    assert [*wrong(theirs, mine)] == []
    assert [name for name in answer["methods"] if not is_called(name)] == []


def is_called(method: str) -> bool:
    """Whether the table calls the client's method, or it belongs to tracking."""
    return method in OF_TRACKING or any(
        re.search(rf"client\.{method}\b", script.read_text()) for script in (CALLS, WIRE_CALLS)
    )
