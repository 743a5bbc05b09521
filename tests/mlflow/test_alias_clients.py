"""Unmodified MLflow clients and protected aliases, which the settings name for every model."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.conftest import SECRET
from tests.support.databases import Database
from tests.support.forked_processes import mlflow_server
from tests.support.mlflow_environments import MLFLOW, MLFLOW_OLD, mlflow_python
from tests.support.registry_builder import named_run
from tests.support.servers import Launcher, running_fleet

PROGRAM = Path(__file__).with_name("alias_client.py")
RULES = [{"rule": "required", "tags": ["owner"]}, {"rule": "required", "tags": ["team"]}]
POLICY = {"policy": 1, "protected_aliases": ["live"], "staging": RULES, "production": RULES}
CLIENTS = pytest.mark.parametrize("client", [MLFLOW, MLFLOW_OLD])


@pytest.mark.share(2)
@CLIENTS
def test_a_client_moves_a_protected_alias_with_the_role_and_to_verified_versions_only(
    launcher: Launcher, database: Database, tmp_path: Path, client: str
) -> None:
    python, found = mlflow_python(client, skinny=client != MLFLOW), {}
    settings = {"database_url": database.url, "token": database.tokens["all"], "secret": SECRET}
    with running_fleet(launcher, tmp_path, **settings, protected_aliases=("champion", "stable")) as fleet:
        with fleet.caller() as caller:
            caller.registry.create_model("fraud")
            caller.registry.model("fraud").version(files=[caller.registry.file(b"bytes")], run=named_run("1"))
            caller.make("PUT", "/models/fraud/aliases/stable", {"version": 1})
            caller.registry.model("guarded").version(files=[caller.registry.file(b"bytes")], run=named_run("2"))
            caller.make("PUT", "/models/guarded/policy", {"document": POLICY, "reason": "agreed"})
        for role in ("writer", "promoter"):
            token = database.tokens[role]
            env = {**os.environ, "MLFLOW_TRACKING_TOKEN": token, "GIT_PYTHON_REFRESH": "quiet"}
            done = mlflow_server(python).run(PROGRAM, fleet.server.url, cwd=tmp_path, env=env)
            assert done.returncode == 0, done.stderr[-4000:]
            found[role] = json.loads(done.stdout.splitlines()[-1])

    (staged, aliased), forbidden = found["promoter"].pop("gates"), found["writer"].pop("gates")[1]
    assert "PERMISSION_DENIED" in forbidden
    for text in (staged, aliased):
        assert text.startswith("RESOURCE_CONFLICT: 2 of 2 gates are not met:\n- ")
        assert ("owner" in text, "team" in text) == (True, True)
    denied, refused = "PERMISSION_DENIED", "INVALID_PARAMETER_VALUE"
    number, message = found["promoter"].pop("resolved")
    assert found["writer"].pop("resolved")[0] == "2"
    assert number == "3"
    assert message.startswith("unverified: ")
    assert found == {
        "writer": {
            "protected": denied,
            "protected, unverified": denied,
            "unverified": None,
            "delete protected": denied,
        },
        "promoter": {"protected": None, "protected, unverified": refused, "unverified": None, "delete protected": None},
    }
