"""MLflow's own clients with ``registry+http://``: files come along, from whatever tracking store they have."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import SECRET
from tests.support.databases import Database
from tests.support.mlflow import MLFLOW_2, MLFLOW_OLD
from tests.support.plugged import Plugged, plugged
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
    found = databases("sqlite")
    found.reset()
    return found


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
    newest: Plugged, fleet: Fleet, variables: dict[str, str]
) -> None:
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
    assert first["source"] == told["source"] == told["model_id"]
    assert first["framework"] == "sklearn"
    assert first["metrics"] == {"auc": 0.9}
    assert copy["manifest_digest"] == first["manifest_digest"]
    assert copy["lineage"]["parents"] == [{"model": "fraud", "version": 1}]
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


@pytest.mark.share(3)
@pytest.mark.parametrize("version", [MLFLOW_2, MLFLOW_OLD])
def test_older_clients_bring_their_files_from_a_directory(
    version: str, tmp_path: Path, fleet: Fleet, variables: dict[str, str]
) -> None:
    older = plugged(tmp_path / "plugged", version, skinny=True)

    told = older.run(OLD, "fraud", MLFLOW_TRACKING_URI=f"file://{older.folder}/mlruns", **variables)

    with fleet.caller() as caller:
        made = caller.get("/models/fraud/versions/1")
    assert (told["number"], told["status"], told["weights"]) == (1, "READY", "weights")
    assert (made["state"], made["file_count"]) == ("ready", 2)
    assert made["source"] == told["source"]
    assert made["lineage"]["run"]["params"] == {"depth": "3"}
    assert made["lineage"]["run"]["id"] == told["run"]


def test_versions_are_a_data_frame_in_one_line(newest: Plugged, fleet: Fleet, variables: dict[str, str]) -> None:
    with fleet.caller() as caller:
        caller.make("POST", "/models", {"name": "fraud"})
        for number, metrics in ((1, {"auc": 0.5, "loss": 2}), (2, {"auc": 0.75})):
            body = {"files": [caller.blob(b"weights %d" % number)], "metrics": metrics, "tags": {"team": "risk"}}
            caller.make("POST", "/models/fraud/versions", body)

    told = newest.run(FRAME, REGISTRY_URL=fleet.server.url, **variables)

    assert told["number"] == "int64"
    assert told["metrics.auc"] == told["metrics.loss"] == "float64"
    assert told["created_at"].endswith(", UTC]")
    assert told["nested"] == []
    assert told["best"] == 2


def test_without_a_token_mlflow_says_what_to_do(newest: Plugged, fleet: Fleet) -> None:
    program = """
import json, mlflow
try:
    mlflow.MlflowClient().create_registered_model("fraud")
except mlflow.exceptions.MlflowException as error:
    print(json.dumps(error.error_code))
"""

    told = newest.run(program, MLFLOW_REGISTRY_URI=f"registry+{fleet.server.url}", MLFLOW_TRACKING_URI="sqlite:///t.db")

    assert told == "UNAUTHENTICATED"


def test_the_token_goes_to_no_other_place_than_the_configured_registry(newest: Plugged) -> None:
    told: list[Any] = newest.run(TOKENS, REGISTRY_TOKEN="secret")

    assert told == ["secret", None, None, None]


def _digest(path: Path) -> str:
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
