"""Models moved from a real MLflow registry, and to one, by the command line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import SECRET
from tests.support.databases import Database
from tests.support.forked_processes import Forked
from tests.support.mlflow_environments import MLFLOW_2, new_mlflow_database
from tests.support.plugin_environment import PluginEnvironment, plugin_environment
from tests.support.polling import eventually
from tests.support.registry_builder import named_run
from tests.support.servers import Fleet, Launcher, running_fleet

SEED = """
import json, math, os, pathlib, sys
import mlflow
uri, folder = sys.argv[1], pathlib.Path(sys.argv[2])
mlflow.set_tracking_uri(uri)
mlflow.set_registry_uri(uri)
client = mlflow.MlflowClient()
experiment = client.create_experiment("training", artifact_location=str(folder / "artifacts"))
client.create_registered_model("fraud", tags={"team": "risk"}, description="Card fraud")
client.create_registered_model("it's empty")
client.create_registered_model("broken")
client.create_registered_model("hollow")
runs = {}
for number in range(1, 8):
    run = client.create_run(experiment, tags={"kind": "nightly"})
    runs[number] = run.info.run_id
    client.log_param(run.info.run_id, "depth", str(number))
    client.log_metric(run.info.run_id, "auc", 0.9)
    client.log_metric(run.info.run_id, "bad", math.nan)
    made = folder / f"made-{number}"
    made.mkdir(parents=True)
    (made / "MLmodel").write_text("flavors: {sklearn: {}}")
    (made / "weights.bin").write_bytes(f"weights {number}".encode() * 1000)
    client.log_artifacts(run.info.run_id, str(made), "model")
    client.set_terminated(run.info.run_id)
    client.create_model_version("fraud", f"{run.info.artifact_uri}/model", run.info.run_id,
                                tags={"night": str(number)}, description=f"night {number}")
client.delete_model_version("fraud", "3")
client.create_model_version("broken", f"{folder}/artifacts/{runs[1]}/artifacts/model", runs[1])
client.create_model_version("broken", f"{folder}/artifacts/{runs[2]}/artifacts/gone", runs[2])
client.create_model_version("hollow", f"{folder}/artifacts/{runs[1]}/artifacts/gone", runs[1])
for name in ("Model.bin", "model.bin", "readme", "README"):
    client.log_text(runs[1], "x", f"clash/{name}")
client.create_model_version("hollow", f"{folder}/artifacts/{runs[1]}/artifacts/clash", runs[1])
for number, stage in ((1, "Archived"), (2, "Production"), (4, "Production"), (5, "Staging")):
    client.transition_model_version_stage("fraud", str(number), stage)
client.set_registered_model_alias("fraud", "champion", "4")
client.set_registered_model_alias("fraud", "12", "4")
client.create_prompt("greeting", "Says hello", {"team": "sales"})
for text, said in (("hello {{name}}", "first"), ("hi", None), ([{"role": "user", "content": "hey, grüße"}], None)):
    client.create_prompt_version("greeting", text, said, {"tone": "kind"})
client.delete_prompt_version("greeting", "2")
client.set_prompt_alias("greeting", "production", 3)
client.set_prompt_alias("greeting", "champion", 1)
print(json.dumps(runs))
"""

READ = """
import json, sys
import mlflow
mlflow.set_tracking_uri(sys.argv[1])
mlflow.set_registry_uri(sys.argv[1])
client = mlflow.MlflowClient()
model = client.get_registered_model("fraud")
found = {}
for one in client.search_model_versions("name = 'fraud'"):
    run = client.get_run(one.run_id)
    there = mlflow.artifacts.download_artifacts(f"models:/fraud/{one.version}/weights.bin")
    on_data = [[metric.key, metric.value, metric.dataset_digest, metric.dataset_name]
               for logged in mlflow.search_logged_models([run.info.experiment_id], output_format="list")
               if logged.source_run_id == one.run_id for metric in logged.metrics]
    found[one.version] = [one.current_stage, one.description, one.tags["registry.manifest_digest"], one.tags["night"],
                          run.data.params, run.data.metrics, open(there).read()[:9], on_data]
prompts = [[one.version, one.template, one.commit_message or None, one.tags["tone"], sorted(one.aliases)]
           for one in (client.get_prompt_version("greeting", number) for number in ("1", "3"))] \
    if client.get_prompt("greeting") else None
print(json.dumps({"aliases": model.aliases, "prompts": prompts, "tags": model.tags, "description": model.description,
                  "versions": found}))
"""

MEASURED = [(0.95, "sha256:" + "a1" * 32, "test.csv"), (0.8, "mlflow:0badcafe", "drift")]
STAGES = {1: "archived", 2: "archived", 4: "production", 5: "staging", 6: "none", 7: "none"}


@pytest.fixture
def fleet(databases: Callable[[str], Database], launcher: Launcher, tmp_path: Path) -> Iterator[Fleet]:
    database = databases("sqlite")
    database.reset()
    token = database.tokens["all"]
    with running_fleet(launcher, tmp_path, database_url=database.url, token=token, secret=SECRET) as fleet:
        yield fleet


@pytest.fixture(scope="module")
def source(newest: PluginEnvironment) -> str:
    """The URI of an MLflow registry with several models."""
    new_mlflow_database(newest.folder / "source.db")
    uri = f"sqlite:///{newest.folder}/source.db"
    newest.run(SEED, uri, str(newest.folder / "source"))
    return uri


class Mover:
    """``registry import mlflow`` and ``export`` against one service."""

    def __init__(self, plugin_environment: PluginEnvironment, fleet: Fleet) -> None:
        self._plugged, self.fleet = plugin_environment, fleet
        self.variables = {"REGISTRY_URL": fleet.server.url, "REGISTRY_TOKEN": fleet.token}

    def __call__(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """Exit code and report."""
        code, out, err = self._plugged.registry(*arguments, "--json", **self.variables)
        assert out, err
        return code, json.loads(out)

    def begin(self, *arguments: str) -> Forked:
        return self._plugged.begin_registry(*arguments, **self.variables)


@pytest.fixture
def move(newest: PluginEnvironment, fleet: Fleet) -> Mover:
    return Mover(newest, fleet)


def outcomes(report: dict[str, Any], model: str = "fraud") -> dict[str, str]:
    """What happened to each thing of a model."""
    return {item["what"]: item["outcome"] for item in report["items"] if item["model"] == model}


def test_a_registry_moves_in_with_its_numbers_stages_and_runs_and_again_nothing_is_made_twice(
    move: Mover, source: str
) -> None:
    with move.fleet.caller() as caller:
        foreseen, planned = move("import", "mlflow", "--from", source, "--dry-run")
        untouched = caller.get("/models")["items"]
        code, report = move("import", "mlflow", "--from", source)
        again, repeated = move("import", "mlflow", "--from", source, "--check")
        models, model = caller.get("/models")["items"], caller.get("/models/fraud")
        versions = {one["number"]: one for one in caller.get("/models/fraud/versions?limit=100")["items"]}
        entries = len(caller.get("/models/fraud/history?limit=200")["items"])
        move("import", "mlflow", "--from", source)
        later = len(caller.get("/models/fraud/history?limit=200")["items"])
        prompt = caller.get("/models/greeting")
        texts = {one["number"]: one for one in caller.get("/models/greeting/versions?limit=100")["items"]}
        anew = caller.make("POST", "/models/greeting/versions", {"files": [], "source": "dummy-source"})

    assert untouched == []
    assert [foreseen, code, again] == [1, 1, 1]
    assert [planned["dry_run"], report["complete"], repeated["complete"]] == [True, False, False]
    assert outcomes(report) == {
        "model": "created", **{f"version {number}": "created" for number in STAGES},
        "version 1, stage": "created", "version 2, stage": "noted", "version 4, stage": "created",
        "version 5, stage": "created", "alias champion": "created", "alias 12": "skipped",
    }  # fmt: skip
    assert outcomes(report, "broken") == {"model": "created", "version 1": "created", "version 2": "skipped"}
    assert outcomes(report, "it's empty") == {"model": "created"}
    for one in (planned, report, repeated):
        reasons = {item["what"]: item["reason"] for item in one["items"] if item["model"] == "hollow"}
        assert outcomes(one, "hollow").get("version 1") == "skipped"
    assert outcomes(report, "hollow") == dict.fromkeys(("version 1", "version 2", "model"), "skipped")
    assert "'model.bin' is the same as 'Model.bin'" in reasons["version 2"]
    assert "'readme' is the same as 'README'" in reasons["version 2"]
    assert {one["name"] for one in models} == {"fraud", "broken", "it's empty", "greeting"}
    whole = ("prompt", "version 1", "version 3", "alias production", "alias champion")
    assert outcomes(planned, "greeting") == outcomes(report, "greeting") == dict.fromkeys(whole, "created")
    assert outcomes(repeated, "greeting") == dict.fromkeys(whole, "existing")
    assert (prompt["description"], prompt["tags"]["team"]) == ("Says hello", "sales")
    assert prompt["aliases"] == {"production": 3, "champion": 1}
    assert (texts[1]["tags"]["mlflow.prompt.text"], texts[1]["description"]) == ("hello {{name}}", "first")
    assert {one["claimed"]["system"] for one in texts.values()} == {"mlflow"}
    assert (sorted(texts), anew["version"]["number"]) == ([1, 3], 4)
    assert {what for what, outcome in outcomes(repeated).items() if outcome in {"created", "changed"}} == set()
    assert entries == later
    assert (model["description"], model["tags"], model["aliases"]) == ("Card fraud", {"team": "risk"}, {"champion": 4})
    assert model["claimed"]["system"] == "mlflow"
    assert {number: one["stage"] for number, one in versions.items()} == STAGES
    fourth = versions[4]
    assert (fourth["description"], fourth["tags"], fourth["file_count"]) == ("night 4", {"night": "4"}, 2)
    assert fourth["lineage"]["run"]["params"] == {"depth": "4"}
    assert fourth["lineage"]["run"]["unmeasured"] == {"bad": "NaN"}
    assert fourth["claimed"]["stage"] == "Production"
    assert fourth["claimed"]["run_id"] == fourth["lineage"]["run"]["id"]


@pytest.mark.slow
def test_in_lifecycle_open_several_versions_keep_production(move: Mover, source: str) -> None:
    move("import", "mlflow", "--from", source, "--model", "fraud", "--lifecycle", "open")

    with move.fleet.caller() as caller:
        model = caller.get("/models/fraud")
    assert model["stages"] == {"staging": [5], "production": [2, 4]}


@pytest.mark.slow
def test_a_stage_whose_gates_are_not_met_is_skipped_with_the_reason(move: Mover, source: str) -> None:
    rules = [{"rule": "required", "tags": ["owner"]}]
    with move.fleet.caller() as caller:
        caller.make("PUT", "/policy", {"document": {"policy": 1, "production": rules}, "reason": "agreed"})

        code, report = move("import", "mlflow", "--from", source, "--model", "fraud")

        model = caller.get("/models/fraud")
    skipped = {item["what"]: item["reason"] for item in report["items"] if item["outcome"] == "skipped"}
    assert code == 1
    assert "owner" in skipped["version 4, stage"]
    assert (model["stages"]["production"], model["aliases"]["champion"]) == ([], 4)


@pytest.mark.slow
def test_what_was_decided_here_stays_and_other_files_under_a_number_are_reported(move: Mover, source: str) -> None:
    with move.fleet.caller() as caller:
        caller.registry.create_model("fraud")
        held = caller.registry.model("fraud").version(
            files=[caller.registry.file(b"other weights")], run=named_run("here"), stage="production"
        )

        code, report = move("import", "mlflow", "--from", source, "--model", "fraud")

        model = caller.get("/models/fraud")
    assert (held, code) == (1, 1)
    assert outcomes(report)["version 1"] == "changed"
    assert outcomes(report)["version 4"] == "created"
    reasons = [item["reason"] for item in report["items"] if item["what"] == "version 4, stage"]
    assert reasons == ["version 1 holds production here and is not displaced"]
    assert model["stages"]["production"] == [1]


def test_a_killed_import_goes_on(move: Mover, source: str) -> None:
    with move.fleet.caller() as caller:
        process = move.begin("import", "mlflow", "--from", source, "--model", "fraud")
        eventually(lambda: caller("GET", "/models/fraud/versions/2").status_code == 200, "two versions are there")
        process.kill()
        process.wait()

        _, report = move("import", "mlflow", "--from", source, "--model", "fraud")

        versions = {one["number"]: one["stage"] for one in caller.get("/models/fraud/versions?limit=100")["items"]}
    assert versions == STAGES
    assert outcomes(report)["version 1"] == "existing"


def test_a_registry_moves_out_with_equal_numbers_and_again_nothing_is_made_twice(
    move: Mover, newest: PluginEnvironment, source: str, tmp_path: Path, databases: Callable[[str], Database]
) -> None:
    move("import", "mlflow", "--from", source, "--model", "fraud", "--model", "greeting")
    with move.fleet.caller() as caller:
        for value, digest, name in MEASURED:
            body = {"metrics": {"auc": value}, "dataset_digest": digest, "dataset_name": name}
            caller.make("POST", "/models/fraud/versions/4/metrics", body)
    target = f"sqlite:///{tmp_path}/target.db"

    code, report = move("export", "mlflow", "--to", target)
    again, repeated = move("export", "mlflow", "--to", target)

    there = newest.run(READ, target)
    with move.fleet.caller() as caller:
        digests = {str(one["number"]): one["manifest_digest"] for one in caller.get("/models/fraud/versions")["items"]}
    assert [code, again] == [0, 0]
    assert outcomes(report)["version 3"] == "noted"
    assert outcomes(report, "greeting") == {
        "prompt": "created", "version 1": "created", "version 2": "noted", "version 3": "created",
        "alias production": "created", "alias champion": "created",
    }  # fmt: skip
    for name in ("fraud", "greeting"):
        assert set(outcomes(repeated, name).values()) == {"existing"}
    assert there["prompts"] == [
        [1, "hello {{name}}", "first", "kind", ["champion"]],
        [3, [{"role": "user", "content": "hey, grüße"}], None, "kind", ["production"]],
    ]
    assert {number: found[2] for number, found in there["versions"].items()} == digests
    assert {int(number): found[0].lower() for number, found in there["versions"].items()} == STAGES
    assert there["versions"]["1"][3:] == ["1", {"depth": "1"}, {"auc": 0.9}, "weights 1", []]
    assert there["versions"]["4"][3:7] == ["4", {"depth": "4"}, {"auc": 0.8}, "weights 4"]
    assert sorted(there["versions"]["4"][7]) == [
        ["auc", 0.8, "0badcafe", "drift"], ["auc", 0.9, None, None], ["auc", 0.95, "a1" * 18, "test.csv"]
    ]  # fmt: skip
    assert (there["aliases"], there["tags"], there["description"]) == (
        {"champion": 4},
        {"team": "risk"},
        "Card fraud",
    )

    databases("sqlite").reset()
    move("import", "mlflow", "--from", target)
    with move.fleet.caller() as caller:
        back = caller.get("/models/fraud/versions/4")["evaluations"]
    assert {(one["value"], one["dataset_digest"], one["dataset_name"]) for one in back} == {
        (0.9, None, None), *MEASURED
    }  # fmt: skip


@pytest.mark.slow
def test_an_mlflow_without_logged_models_gets_the_latest_values_and_a_note(fleet: Fleet, tmp_path: Path) -> None:
    older = plugin_environment(tmp_path / "plugin_environment", MLFLOW_2, skinny=True)
    with fleet.caller() as caller:
        caller.registry.create_model("fraud")
        caller.registry.model("fraud").version(files=[caller.registry.file(b"weights")], run=named_run("here"))
        for value, digest, name in MEASURED:
            body = {"metrics": {"auc": value}, "dataset_digest": digest, "dataset_name": name}
            caller.make("POST", "/models/fraud/versions/1/metrics", body)

    code, report = Mover(older, fleet)("export", "mlflow", "--to", str(tmp_path / "there"))

    noted = [item["reason"] for item in report["items"] if item["what"] == "version 1, metrics"]
    metrics = older.run(
        "import json, sys, mlflow; client = mlflow.MlflowClient(sys.argv[1], sys.argv[1])\n"
        "print(json.dumps(client.get_run(client.get_model_version('fraud', '1').run_id).data.metrics))",
        str(tmp_path / "there"),
    )
    assert (code, noted) == (0, ["without their datasets, which MLflow has since 3.0"])
    assert metrics == {"auc": 0.8}


def test_what_cannot_be_read_is_said_in_a_sentence(move: Mover, newest: PluginEnvironment) -> None:
    for uri, said in ((f"sqlite:///{newest.folder}/none.db", "there is no database"), ("/no/such", "no directory")):
        code, out, err = newest.registry("import", "mlflow", "--from", uri, **move.variables)

        assert (code, out) == (2, "")
        assert said in err
        assert "Traceback" not in err
