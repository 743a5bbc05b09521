"""A data scientist's day with one URI, run by MLflow's Python: no plugin, MLFLOW_TRACKING_URI and its token are all.

Prints as JSON, by the name of each check, true or what was found instead; and the id of the run.
"""

import json
import os
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

warnings.simplefilter("ignore")

import mlflow  # noqa: E402 -- after the warnings it would begin with
import pandas  # noqa: E402 -- as above
import requests  # noqa: E402 -- as above
from mlflow.exceptions import MlflowException  # noqa: E402 -- as above
from sklearn.linear_model import LogisticRegression  # noqa: E402 -- as above

client = mlflow.MlflowClient()
table, target = pandas.DataFrame({"a": [0.0, 1, 2, 3], "b": [1.0, 0, 1, 0]}), [0, 0, 1, 1]
found: dict[str, Any] = {}
kept: dict[str, Any] = {}


def check(function: Callable[[], Any]) -> None:
    """Run *function* now; it returns pairs of what is and what should be."""
    try:
        differing = [pair for pair in function() if pair[0] != pair[1]]
        found[function.__name__] = differing or True
    except Exception as error:
        found[function.__name__] = repr(error)


def files(uri: str) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        there = Path(mlflow.artifacts.download_artifacts(uri, dst_path=folder))
        return {
            path.relative_to(there).as_posix(): path.read_bytes()
            for path in there.rglob("*")
            if path.is_file() and path.name != "registered_model_meta"  # the client's own note
        }


def refused(call: Callable[..., Any], *arguments: Any, **named: Any) -> str:
    try:
        return f"not refused: {call(*arguments, **named)}"
    except MlflowException as error:
        return str(error.error_code)


@check
def log_model_registers() -> Any:
    mlflow.set_experiment("training")
    with mlflow.start_run() as run:
        mlflow.log_params({"C": 1.0})
        mlflow.log_metrics({"auc": 0.9})
        data = mlflow.data.from_pandas(table, source="https://data.test/train.csv", name="train")
        mlflow.log_input(data, context="training")
        model = LogisticRegression().fit(table, target)
        info = mlflow.sklearn.log_model(
            model,
            name="model",
            registered_model_name="fraud",
            pip_requirements=["scikit-learn"],  # guessing them takes longer than all the rest
            serialization_format="pickle",
        )
    kept.update(run=run.info.run_id, uri=info.model_uri)
    made = client.get_model_version("fraud", "1")
    return [(int(info.registered_model_version), 1), (made.status, "READY"), (made.run_id, run.info.run_id)]


@check
def register_model_of_a_run() -> Any:
    made = mlflow.register_model(f"runs:/{kept['run']}/model", "fraud")
    return [(int(made.version), 2), (made.status, "READY"), (made.run_id, kept["run"])]


@check
def register_model_of_a_logged_model() -> Any:
    made = mlflow.register_model(kept["uri"], "fraud", tags={"kind": "again"})
    return [(int(made.version), 3), (made.status, "READY"), (made.tags, {"kind": "again"}), (made.source, kept["uri"])]


@check
def create_model_version_of_a_folder_of_a_run() -> Any:
    with mlflow.start_run() as run:
        mlflow.log_text("weights", "own/weights.txt")
    client.create_registered_model("plain", tags={"team": "risk"}, description="a folder")
    first = client.create_model_version("plain", f"runs:/{run.info.run_id}/own", run.info.run_id, {"of": "a run"})
    second = client.create_model_version("plain", f"{run.info.artifact_uri}/own", run.info.run_id)
    model = client.get_registered_model("plain")
    return [
        ((first.status, first.tags), ("READY", {"of": "a run"})),
        (files("models:/plain/1"), {"weights.txt": b"weights"}),
        (files("models:/plain/2"), {"weights.txt": b"weights"}),
        ((second.run_id, model.tags, model.description), (run.info.run_id, {"team": "risk"}, "a folder")),
    ]


@check
def load_a_version() -> Any:
    return [(mlflow.pyfunc.load_model("models:/fraud/1").predict(table).tolist(), target)]


@check
def aliases() -> Any:
    client.set_registered_model_alias("fraud", "champion", "2")
    by_alias = client.get_model_version_by_alias("fraud", "champion")
    loaded = mlflow.pyfunc.load_model("models:/fraud@champion").predict(table).tolist()
    client.delete_registered_model_alias("fraud", "champion")
    gone = refused(client.get_model_version_by_alias, "fraud", "champion")
    return [(int(by_alias.version), 2), (loaded, target), (gone, "INVALID_PARAMETER_VALUE")]


@check
def stages() -> Any:
    moved = client.transition_model_version_stage("fraud", "1", "Staging")
    client.transition_model_version_stage("fraud", "1", "Production")
    loaded = mlflow.pyfunc.load_model("models:/fraud/Production").predict(table).tolist()
    return [(moved.current_stage, "Staging"), (loaded, target)]


@check
def stages_are_enforced() -> Any:
    refusal = refused(client.transition_model_version_stage, "fraud", "2", "Production")
    return [(refusal, "INVALID_PARAMETER_VALUE"), (client.get_model_version("fraud", "2").current_stage, "None")]


@check
def latest() -> Any:
    newest = client.get_latest_versions("fraud", ["None", "Production"])
    loaded = mlflow.pyfunc.load_model("models:/fraud/latest").predict(table).tolist()
    return [(sorted(int(version.version) for version in newest), [1, 3]), (loaded, target)]


@check
def search_models_and_versions() -> Any:
    models = client.search_registered_models("name LIKE 'fra%'", order_by=["name DESC"])
    versions = client.search_model_versions(f"name = 'fraud' AND run_id = '{kept['run']}'", max_results=2)
    return [([model.name for model in models], ["fraud"]), (len(versions), 2), (bool(versions.token), True)]


@check
def tags_of_models() -> Any:
    client.set_registered_model_tag("fraud", "team", "risk")
    there = client.get_registered_model("fraud").tags
    client.delete_registered_model_tag("fraud", "team")
    return [(there, {"team": "risk"}), (client.get_registered_model("fraud").tags, {})]


@check
def tags_of_versions() -> Any:
    client.set_model_version_tag("fraud", "1", "seen", "yes")
    there = client.get_model_version("fraud", "1").tags
    client.delete_model_version_tag("fraud", "1", "seen")
    return [(there, {"seen": "yes"}), (client.get_model_version("fraud", "1").tags, {})]


@check
def descriptions_and_names() -> Any:
    client.update_registered_model("plain", "another text")
    version = client.update_model_version("plain", "1", "the first")
    client.rename_registered_model("plain", "renamed")
    model = client.get_registered_model("renamed")
    return [(version.description, "the first"), ((model.name, model.description), ("renamed", "another text"))]


@check
def prompts() -> Any:
    client.register_prompt("greeting", "Hello {{name}}", commit_message="first", tags={"tone": "kind"})
    client.register_prompt("greeting", "Hi {{name}}")
    client.set_prompt_alias("greeting", "live", 1)
    return [
        (client.load_prompt("prompts:/greeting/2").template, "Hi {{name}}"),
        (client.load_prompt("prompts:/greeting@live").template, "Hello {{name}}"),
        ([prompt.name for prompt in client.search_prompts()], ["greeting"]),
        ("greeting" in [model.name for model in client.search_registered_models()], False),
    ]


@check
def copies() -> Any:
    copied = client.copy_model_version("models:/fraud/1", "fraud-prod")
    again = mlflow.register_model("models:/fraud/1", "fraud-prod")
    loaded = mlflow.pyfunc.load_model("models:/fraud-prod/2").predict(table).tolist()
    return [
        ((copied.source, copied.run_id), ("models:/fraud/1", kept["run"])),
        (int(again.version), 2),
        (loaded, target),
    ]


@check
def downloads_are_what_was_logged() -> Any:
    return [(files("models:/fraud/1"), files(kept["uri"])), ("MLmodel" in files("models:/fraud/1"), True)]


@check
def the_web_interface_reads_files() -> Any:
    query = {"name": "fraud", "version": "1", "path": "MLmodel"}
    header = {"Authorization": f"Bearer {os.environ['MLFLOW_TRACKING_TOKEN']}"}
    address = f"{mlflow.get_tracking_uri()}/model-versions/get-artifact"
    response = requests.get(address, params=query, headers=header, timeout=60)
    return [(response.status_code, 200), (response.content, files(kept["uri"])["MLmodel"])]


@check
def what_is_not_there() -> Any:
    location = "s3://elsewhere/model"
    reference = client.create_model_version("renamed", location)
    return [
        (refused(client.get_registered_model, "missing"), "RESOURCE_DOES_NOT_EXIST"),
        (refused(client.create_registered_model, "fraud"), "RESOURCE_ALREADY_EXISTS"),
        (refused(client.create_model_version, "missing", location), "RESOURCE_DOES_NOT_EXIST"),
        # The server does not read for its callers what is none of their run's.
        (client.get_model_version_download_uri("renamed", reference.version), location),
    ]


@check
def webhooks() -> Any:
    return [(list(client.list_webhooks()), [])]


@check
def deletions() -> Any:
    client.delete_model_version("renamed", "1")
    client.delete_registered_model("renamed")
    return [
        (refused(client.delete_model_version, "fraud", "1"), "RESOURCE_CONFLICT"),
        (refused(client.get_registered_model, "renamed"), "RESOURCE_DOES_NOT_EXIST"),
    ]


sys.stdout.write(json.dumps({"found": found, "run": kept["run"]}, default=str) + "\n")
