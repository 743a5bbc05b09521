"""A stock MLflow tracking server upstream: what its clients register here becomes verified, with full lineage."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from registry.app import create_app
from registry.config import Settings, Tracking
from registry.db.session import db
from tests.support.databases import Database
from tests.support.forked_processes import mlflow_server
from tests.support.importer import Importer
from tests.support.mlflow_api import MlflowApi
from tests.support.mlflow_environments import MLFLOW, mlflow_python
from tests.support.mlflow_server import MlflowServer
from tests.support.processes import environment

pytestmark = pytest.mark.share(3)

TRAIN = """
import json, sys
import mlflow, mlflow.data, mlflow.sklearn
import pandas
from sklearn.linear_model import LogisticRegression


mlflow.set_tracking_uri(sys.argv[1])
mlflow.set_experiment("fraud")
data = pandas.DataFrame({"a": [0.0, 1.0, 2.0, 3.0], "y": [0, 0, 1, 1]})
with mlflow.start_run() as run:
    mlflow.log_params({"C": 0.5, "nested/depth.max": 3})
    mlflow.log_metrics({"auc": 0.9, "loss": float("nan")})
    mlflow.set_tag("team", "risk")
    source = "s3://data/train.parquet"
    mlflow.log_input(mlflow.data.from_pandas(data, name="train-set", source=source), context="training")
    model = LogisticRegression(C=0.5).fit(data[["a"]], data["y"])
    info = mlflow.sklearn.log_model(model, name="model", input_example=data[["a"]],
                                    pip_requirements=["scikit-learn"])  # guessing them takes ten seconds
    mlflow.log_text("hi", "old/style/model.txt")
print(json.dumps({"run": run.info.run_id, "model": info.model_id, "artifacts": run.info.artifact_uri}))
"""


@dataclass(frozen=True)
class Trained:
    """What a script has logged to the server: ids, the run's artifact root, and the model's files."""

    server: MlflowServer
    run: str
    model: str
    artifacts: str

    @property
    def files(self) -> dict[str, bytes]:
        """The bytes that the server has of the model."""
        experiment = self.artifacts.removeprefix("mlflow-artifacts:/").partition("/")[0]
        root = self.server.folder / "artifacts" / experiment / "models" / self.model / "artifacts"
        return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture(scope="session")
def trained(stock_mlflow: MlflowServer) -> Trained:
    script = stock_mlflow.folder / "train.py"
    script.write_text(TRAIN)
    env = environment(HOME=str(stock_mlflow.folder), GIT_PYTHON_REFRESH="quiet")
    done = mlflow_server(mlflow_python(MLFLOW)).run(script, stock_mlflow.url, cwd=stock_mlflow.folder, env=env)
    assert done.returncode == 0, done.stderr
    return Trained(stock_mlflow, **json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture
def start(
    database: Database, make_settings: Callable[..., Settings], tmp_path: Path
) -> Iterator[Callable[[str], tuple[Importer, MlflowApi]]]:
    """A registry with a model, whose upstream is at a URL; and what MLflow's clients see of it."""
    apps = []

    def make(url: str) -> tuple[Importer, MlflowApi]:
        settings = make_settings(
            database.url, mlflow_tracking=(Tracking(url=url),), storage_url=f"file://{tmp_path}/store"
        )
        apps.append(create_app(settings))
        importer = Importer(apps[-1], database.tokens)
        importer.wait_for_clients()
        importer.registry.create_model()
        return importer, MlflowApi(importer.api.client, importer.api.token)

    yield make
    for app in apps:
        with app.app_context():
            db.engine.dispose()


def test_a_logged_model_is_fetched_while_its_client_waits(
    start: Callable[[str], tuple[Importer, MlflowApi]], trained: Trained
) -> None:
    importer, mlflow_api = start(trained.server.url)

    made = mlflow_api.registry.model("fraud").register(source=f"models:/{trained.model}", model_id=trained.model)

    assert (made["status"], made["run_id"]) == ("READY", trained.run)
    assert not importer.work()
    assert mlflow_api.get(1) == made
    assert importer.files(1) == trained.files
    version = importer.version(1)
    run = version["lineage"]["run"]
    assert (run["system"], run["id"], mlflow_api.get(1)["run_id"]) == ("mlflow", trained.run, trained.run)
    assert (run["params"], run["tags"]["team"]) == ({"C": "0.5", "nested/depth.max": "3"}, "risk")
    assert (run["metrics"], run["unmeasured"]) == ({"auc": 0.9}, {"loss": "NaN"})
    assert version["metrics"] == {"auc": 0.9}
    assert requests.get(run["url"], timeout=60).status_code == 200
    assert version["framework"] == "sklearn"
    assert version["signature"]["inputs"] == [{"type": "double", "name": "a", "required": True}]
    assert (version["lineage"]["code"]["repo"], version["lineage"]["code"]["path"][-8:]) == (None, "train.py")
    assert version["lineage"]["environment"]["python"].startswith("3.")
    (dataset,) = version["lineage"]["datasets"]
    assert (dataset["name"], dataset["uri"], dataset["role"], dataset["rows"]) == (
        "train-set", "s3://data/train.parquet", "train", 4,
    )  # fmt: skip
    assert dataset["digests"][0].startswith("mlflow:")
    assert dataset["schema"]["mlflow_colspec"][0]["name"] == "a"
    assert mlflow_api.move(1, "Staging").status_code == 200


@pytest.mark.parametrize(
    ("source", "paths"),
    [
        ("{artifacts}/old", ["style/model.txt"]),
        ("runs:/{run}/old", ["style/model.txt"]),
        ("runs:/{run}/model", ["MLmodel"]),
    ],
)
def test_what_a_run_has_logged_is_fetched(
    start: Callable[[str], tuple[Importer, MlflowApi]], trained: Trained, source: str, paths: list[str]
) -> None:
    importer, mlflow_api = start(trained.server.url)

    made = mlflow_api.registry.model("fraud").register(
        source=source.format(run=trained.run, artifacts=trained.artifacts), run_id=trained.run
    )

    assert (made["status"], made["run_id"]) == ("READY", trained.run)
    assert set(paths) <= importer.files(1).keys()
    assert importer.version(1)["lineage"]["run"]["id"] == trained.run


@pytest.mark.parametrize(
    ("sent", "answered", "told"),
    [
        (
            {"source": "runs:/{run}/nothing", "run_id": "{run}"},
            (404, "RESOURCE_DOES_NOT_EXIST"),
            "neither artifacts nor a logged model",
        ),
        (
            {"source": "{artifacts}/nothing", "run_id": "{run}"},
            (404, "RESOURCE_DOES_NOT_EXIST"),
            "lists no files",
        ),
        (
            {"source": "models:/m-" + "0" * 32, "model_id": "m-" + "0" * 32},
            (404, "RESOURCE_DOES_NOT_EXIST"),
            "does not have the logged model",
        ),
        (
            {"source": "runs:/" + "0" * 32 + "/model", "run_id": "0" * 32},
            (404, "RESOURCE_DOES_NOT_EXIST"),
            "does not have the run",
        ),
        (
            {"source": "mlflow-artifacts:/9/{run}/artifacts/old", "run_id": "{run}"},
            (409, "RESOURCE_CONFLICT"),
            "is not below",
        ),
    ],
)
def test_what_the_server_does_not_have_is_refused_and_uses_up_no_number(
    start: Callable[[str], tuple[Importer, MlflowApi]],
    trained: Trained,
    sent: dict[str, str],
    answered: tuple[int, str],
    told: str,
) -> None:
    importer, mlflow_api = start(trained.server.url)
    given: dict[str, Any] = {
        name: value.format(run=trained.run, artifacts=trained.artifacts) for name, value in sent.items()
    }

    status, code, message = mlflow_api.refused("POST", "/model-versions/create", name="fraud", **given)

    assert ((status, code), told in message) == (answered, True)
    assert importer.registry.model("fraud").stages() == {}
    assert mlflow_api.registry.model("fraud").register()["version"] == "1"
