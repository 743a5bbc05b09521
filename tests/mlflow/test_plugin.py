"""MLflow's own clients with ``registry+http://``: files come along, from whatever tracking store they have."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.conftest import SECRET
from tests.support.databases import Database
from tests.support.forked_processes import mlflow_server
from tests.support.mlflow_environments import MLFLOW, MLFLOW_2, MLFLOW_OLD, mlflow_python, new_mlflow_database
from tests.support.mlflow_server import MlflowServer, running_mlflow
from tests.support.plugin_environment import PATIENCE, PluginEnvironment, plugin_environment
from tests.support.processes import environment
from tests.support.servers import Fleet, Launcher, running_fleet

TRAIN = """
import json, math, sys
import mlflow, mlflow.sklearn, pandas
from sklearn.linear_model import LogisticRegression
mlflow.set_tracking_uri(sys.argv[1])
mlflow.set_experiment("training")
table, target = pandas.DataFrame({"a": [0.0, 1, 2, 3], "b": [1.0, 0, 1, 0]}), [0, 0, 1, 1]
client = mlflow.MlflowClient()
with mlflow.start_run() as run:
    mlflow.log_params({"C": 1.0})
    mlflow.log_metrics({"auc": 0.9, "bad": math.nan})
    mlflow.set_tag("team", "risk")
    data = mlflow.data.from_pandas(table, source="https://data.test/train.csv", name="train")
    mlflow.log_input(data, context="training")
    made = LogisticRegression().fit(table, target)
    info = mlflow.sklearn.log_model(made, name="model", registered_model_name="fraud",
                                    pip_requirements=["scikit-learn"], serialization_format="pickle")
again = mlflow.register_model(f"runs:/{run.info.run_id}/model", "fraud", tags={"kind": "again"})
third = mlflow.register_model(info.model_uri, "fraud")
copied = client.copy_model_version("models:/fraud/1", "fraud-prod")
client.set_registered_model_alias("fraud", "champion", "2")
client.transition_model_version_stage("fraud", "1", "Staging")
uris = ["models:/fraud/1", "models:/fraud@champion", "models:/fraud/Staging", "models:/fraud-prod/1"]
loaded = [mlflow.pyfunc.load_model(uri).predict(table).tolist() for uri in uris]
mlflow.sklearn.autolog(registered_model_name="auto", serialization_format="pickle")
with mlflow.start_run():
    LogisticRegression().fit(table, target)
refused = []
for name, source in (("nobody", "s3://bucket/model"), ("fraud", "/no/such/directory")):
    try:
        client.create_model_version(name, source)
    except mlflow.exceptions.MlflowException as error:
        refused.append([error.error_code, str(error)])
folder = mlflow.artifacts.download_artifacts(client.get_model_version_download_uri("fraud", "1"))
one = mlflow.artifacts.download_artifacts("models:/fraud/1/MLmodel")
print(json.dumps({
    "run": run.info.run_id, "versions": [again.version, third.version, copied.version], "status": third.status,
    "loaded": loaded, "refused": refused, "folder": folder, "one": one, "source": third.source,
    "auto": client.get_model_version("auto", "1").status, "model_id": info.model_uri,
}, default=str))
"""

OLD = """
import json, os, sys
import mlflow
with mlflow.start_run() as run:
    mlflow.log_param("depth", 3)
    os.makedirs("made", exist_ok=True)
    for name in ("MLmodel", "weights.bin"):
        open(os.path.join("made", name), "w").write("flavors: {own: {}}" if name == "MLmodel" else "weights")
    mlflow.log_artifacts("made", "model")
version = mlflow.register_model(f"runs:/{run.info.run_id}/model", sys.argv[1])
there = mlflow.artifacts.download_artifacts(f"models:/{sys.argv[1]}/{version.version}")
print(json.dumps({"run": run.info.run_id, "number": int(version.version), "status": version.status,
                  "source": version.source, "weights": open(os.path.join(there, "weights.bin")).read()}))
"""

TOKENS = """
import json, sys
from registry.plugin import address
named = ("registry+https://registry.example/team",)
print(json.dumps([address.token(url, trusted=named) for url in (
    "https://registry.example", "https://registry.example:8443", "http://registry.example", "https://evil.example")]))
"""

IDENTITY = """
import base64, json, os
import flask
from mlflow.exceptions import MlflowException
from mlflow.server import app
from registry.plugin import address
from registry.plugin.store import RegistryStore

HERE = "https://registry.example"

def token(url=HERE):
    try:
        return address.token(url, trusted=(f"registry+{HERE}/team",))
    except MlflowException as error:
        return error.error_code

def inside(identity, header=None, app=app, url=HERE):
    os.environ["REGISTRY_SERVER_IDENTITY"] = identity
    with app.test_request_context(headers={"Authorization": header} if header is not None else {}):
        return token(url)

def sent_to_the_registry():
    os.environ["REGISTRY_SERVER_IDENTITY"] = "caller"
    with app.test_request_context(headers={"Authorization": "Bearer theirs"}):
        try:
            return store.get_host_creds().token
        except MlflowException as error:
            return error.error_code

def basic(text):
    return "Basic " + base64.b64encode(text.encode()).decode()

store = RegistryStore(f"registry+{HERE}")
without = sent_to_the_registry()
open("netrc", "w").write("machine registry.example login a password anothers")
os.environ["NETRC"] = "netrc"
headers = [None, "Bearer theirs", basic("anybody:theirs"), "", "Bearer", "Digest x", "Basic ?", basic("a:two\\nlines")]
print(json.dumps({
    "identities": {name: [inside(name, header) for header in headers] for name in ("", "caller-or-own", "own", "all")},
    "elsewhere": [inside("caller", "Bearer theirs", url=url) for url in ("https://evil.example", "http://registry.example")],
    "another application": inside("caller", "Bearer theirs", app=flask.Flask("another")),
    "outside": token(),
    "netrc": [without, sent_to_the_registry()],
}))
"""

FRAME = """
import json, pandas
from registry.client import RegistryClient
registry = RegistryClient()
frame = pandas.DataFrame(registry.versions("fraud"))
nested = [name for name in frame if frame[name].map(lambda value: isinstance(value, (dict, list))).any()]
best = frame.sort_values("metrics.auc", ascending=False).iloc[0]
print(json.dumps({**frame.dtypes.astype(str), "nested": nested, "best": int(best["number"])}))
"""


@pytest.fixture
def database(databases: Callable[[str], Database]) -> Database:
    database = databases("sqlite")
    database.reset()
    return database


@pytest.fixture
def fleet(database: Database, launcher: Launcher, tmp_path: Path) -> Iterator[Fleet]:
    token = database.tokens["all"]
    with running_fleet(launcher, tmp_path, database_url=database.url, token=token, secret=SECRET) as fleet:
        yield fleet


@pytest.fixture
def variables(fleet: Fleet) -> dict[str, str]:
    """The whole configuration: where the registry is, and its own token."""
    return {"MLFLOW_REGISTRY_URI": f"registry+{fleet.server.url}", "REGISTRY_TOKEN": fleet.token}


def test_training_registering_and_loading_work_unchanged_and_the_files_and_their_lineage_come_along(
    newest: PluginEnvironment, fleet: Fleet, variables: dict[str, str]
) -> None:
    new_mlflow_database(newest.folder / "tracking.db")

    told = newest.run(TRAIN, f"sqlite:///{newest.folder}/tracking.db", **variables)

    with fleet.caller() as caller:
        versions = caller.get("/models/fraud/versions?limit=10")["items"]
        first = versions[-1]
        files = caller.get("/models/fraud/versions/1/files")["items"]
        copy = caller.get("/models/fraud-prod/versions/1")
    assert [int(number) for number in told["versions"]] == [2, 3, 1]
    assert [told["status"], told["auto"]] == ["READY", "READY"]
    assert told["loaded"] == [[0, 0, 1, 1]] * 4
    assert [version["state"] for version in versions] == ["ready"] * 3
    assert [version["run_state"] for version in versions] == [None, None, "unfinished"]
    assert first["source"] == told["source"] == told["model_id"]
    assert first["framework"] == "sklearn"
    assert first["metrics"] == {"auc": 0.9}
    assert copy["manifest_digest"] == first["manifest_digest"]
    assert copy["lineage"]["parents"] == [{"model": "fraud", "version": 1, "relation": None}]
    run = first["lineage"]["run"]
    assert (run["system"], run["id"], run["params"]) == ("mlflow", told["run"], {"C": "1.0"})
    assert (run["unmeasured"], run["tags"]["team"]) == ({"bad": "NaN"}, "risk")
    (dataset,) = first["lineage"]["datasets"]
    assert (dataset["name"], dataset["role"], dataset["uri"]) == ("train", "train", "https://data.test/train.csv")
    assert dataset["digests"][0].startswith("mlflow:")
    assert first["lineage"]["environment"]["lock_digest"] == _digest(Path(told["folder"]) / "requirements.txt")
    assert {file["path"]: f"sha256:{file['sha256']}" for file in files} == {
        path.name: _digest(path) for path in Path(told["folder"]).iterdir()
    }
    assert _digest(Path(told["one"])) in {f"sha256:{file['sha256']}" for file in files if file["path"] == "MLmodel"}
    assert told["refused"][0] == ["RESOURCE_DOES_NOT_EXIST", "Registered Model with name=nobody not found"]
    assert told["refused"][1][0] == "INVALID_PARAMETER_VALUE"
    assert "cannot be read from here" in told["refused"][1][1]


@pytest.mark.share(100)  # one of them always runs; the other one sends files in test_artifact_clients
@pytest.mark.parametrize("version", [MLFLOW_2, MLFLOW_OLD])
def test_older_clients_bring_their_files_from_a_directory(
    version: str, tmp_path: Path, fleet: Fleet, variables: dict[str, str]
) -> None:
    older = plugin_environment(tmp_path / "plugin_environment", version, skinny=True)

    told = older.run(OLD, "fraud", MLFLOW_TRACKING_URI=f"file://{older.folder}/mlruns", **variables)

    with fleet.caller() as caller:
        made = caller.get("/models/fraud/versions/1")
    assert (told["number"], told["status"], told["weights"]) == (1, "READY", "weights")
    assert (made["state"], made["file_count"]) == ("ready", 2)
    assert made["source"] == told["source"]
    assert made["lineage"]["run"]["params"] == {"depth": "3"}
    assert made["lineage"]["run"]["id"] == told["run"]


def test_versions_are_a_data_frame_in_one_line(
    newest: PluginEnvironment, fleet: Fleet, variables: dict[str, str]
) -> None:
    with fleet.caller() as caller:
        caller.registry.create_model("fraud")
        for number, metrics in ((1, {"auc": 0.5, "loss": 2}), (2, {"auc": 0.75})):
            body = {
                "files": [caller.registry.file(b"weights %d" % number)],
                "metrics": metrics,
                "tags": {"team": "risk"},
            }
            caller.make("POST", "/models/fraud/versions", body)

    told = newest.run(FRAME, REGISTRY_URL=fleet.server.url, **variables)

    assert told["number"] == "int64"
    assert told["metrics.auc"] == told["metrics.loss"] == "float64"
    assert told["created_at"].endswith(", UTC]")
    assert told["nested"] == []
    assert told["best"] == 2


def test_without_a_token_mlflow_says_what_to_do(newest: PluginEnvironment, fleet: Fleet) -> None:
    program = """
import json, mlflow
try:
    mlflow.MlflowClient().create_registered_model("fraud")
except mlflow.exceptions.MlflowException as error:
    print(json.dumps(error.error_code))
"""

    told = newest.run(program, MLFLOW_REGISTRY_URI=f"registry+{fleet.server.url}", MLFLOW_TRACKING_URI="http://no.test")

    assert told == "UNAUTHENTICATED"


def test_the_token_goes_to_no_other_place_than_the_configured_registry(newest: PluginEnvironment) -> None:
    told: list[Any] = newest.run(TOKENS, REGISTRY_TOKEN="secret")

    assert told == ["secret", None, None, None]


@pytest.mark.share(0)  # the tests before and after it have the plugin in a client and in a server
def test_one_uri_is_enough_with_mlflows_own_server_in_front(
    newest: PluginEnvironment, fleet: Fleet, database: Database, tmp_path: Path
) -> None:
    with running_mlflow(tmp_path / "front", python=newest.python, registry=f"registry+{fleet.server.url}") as front:
        told = _with_one_uri(front, fleet.token, mlflow_python(MLFLOW), Path(__file__).with_name("one_uri.py"))
        told_old = _with_one_uri(front, fleet.token, mlflow_python(MLFLOW_2, skinny=True), "-c", OLD, "old")
        statuses, actors = _as_each_caller(front, fleet, database)
        log = (front.folder / "log").read_text()

    assert told["found"] == dict.fromkeys(told["found"], True)
    assert len(told["found"]) >= 15
    assert (told_old["number"], told_old["status"], told_old["weights"]) == (1, "READY", "weights")
    with fleet.caller() as caller:
        made = [caller.get(f"/models/fraud/versions/{number}") for number in (1, 2, 3)]
        by_old = caller.get("/models/old/versions/1")
    assert [version["state"] for version in made] == ["ready"] * 3
    assert [version["run_state"] for version in made] == ["unfinished", None, None]  # the first was logged in its run
    assert {version["lineage"]["run"]["id"] for version in made} == {told["run"]}
    assert (made[0]["metrics"], made[0]["lineage"]["run"]["params"]) == ({"auc": 0.9}, {"C": "1.0"})
    assert [dataset["name"] for dataset in made[0]["lineage"]["datasets"]] == ["train"]
    assert by_old["lineage"]["run"]["params"] == {"depth": "3"}
    assert statuses == {"writer": {200}, "all": {200}, "reader": {403}, "wrong": {401}, "none": {401}}
    assert actors == {"writer": {"writer"}, "all": {"all"}}
    assert "Failed to deliver" not in log
    assert not [token for token in database.tokens.values() if token in log]


def _with_one_uri(front: MlflowServer, token: str, python: Path, *arguments: str | Path) -> Any:
    """What a client's program prints that is given the server's address and a token, and nothing else."""
    home = front.folder / "home"
    home.mkdir(exist_ok=True)
    variables = environment(
        HOME=str(home),
        MLFLOW_TRACKING_URI=front.url,
        MLFLOW_TRACKING_TOKEN=token,
        MLFLOW_HTTP_REQUEST_MAX_RETRIES="1",
        MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR="false",
        GIT_PYTHON_REFRESH="quiet",
    )
    done = mlflow_server(python).run(*arguments, cwd=home, env=variables, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def _as_each_caller(
    front: MlflowServer, fleet: Fleet, database: Database
) -> tuple[dict[str, set[int]], dict[str, set[str]]]:
    """Create models at once as several callers: by caller, the statuses and the actors that the registry recorded."""
    headers = {role: f"Bearer {database.tokens[role]}" for role in ("all", "reader")}
    headers["writer"] = "Basic " + base64.b64encode(f"anybody:{database.tokens['writer']}".encode()).decode()
    headers["wrong"] = "Bearer wrong"
    names = [f"{caller}-{number}" for number in range(6) for caller in (*headers, "none")]

    def create(name: str) -> int:
        header = headers.get(name.partition("-")[0])
        return requests.post(
            f"{front.url}/api/2.0/mlflow/registered-models/create",
            json={"name": name},
            headers={"Authorization": header} if header else {},
            timeout=PATIENCE,
        ).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(create, names))
    by_caller: dict[str, set[int]] = {}
    actors: dict[str, set[str]] = {}
    with fleet.caller() as caller:
        for name, status in zip(names, statuses, strict=True):
            who = name.partition("-")[0]
            by_caller.setdefault(who, set()).add(status)
            if status == 200:
                entries = caller.get(f"/models/{name}/history")["items"]
                actors.setdefault(who, set()).update(entry["actor"]["name"] for entry in entries)
    return by_caller, actors


def test_mlflows_server_sends_its_callers_tokens_and_its_own_only_where_the_setting_says_so(
    newest: PluginEnvironment,
) -> None:
    refused = "UNAUTHENTICATED"

    told = newest.run(IDENTITY, REGISTRY_TOKEN="own")

    assert told["identities"] == {
        "": [refused, "theirs", "theirs", *[refused] * 5],
        "caller-or-own": ["own", "theirs", "theirs", *[refused] * 5],
        "own": ["own"] * 8,
        "all": ["INVALID_PARAMETER_VALUE"] * 8,
    }
    assert told["elsewhere"] == ["INVALID_PARAMETER_VALUE"] * 2
    assert (told["another application"], told["outside"]) == ("own", "own")
    assert told["netrc"] == ["theirs", "PERMISSION_DENIED"]


def _digest(path: Path) -> str:
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
