"""A program for MLflow's own Python: register a model of 1 KB, again and again, here and at a stock server.

``python registering_client.py TRACKING REGISTRY ROUNDS THREADS REGISTRATIONS`` prints one JSON document of seconds.
"""

import json
import logging
import sys
import tempfile
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

warnings.simplefilter("ignore")
logging.disable(logging.WARNING)

import mlflow  # noqa: E402 -- after the warnings it would begin with
from mlflow.tracking import MlflowClient  # noqa: E402 -- as above

tracking, registry, *numbers = sys.argv[1:]
rounds, threads, registrations = map(int, numbers)
MLMODEL = """artifact_path: model
flavors:
  python_function:
    loader_module: mlflow.sklearn
    model_path: model.pkl
run_id: {run}
utc_time_created: '2026-11-29 12:00:00.000000'
"""

mlflow.set_tracking_uri(tracking)
client = MlflowClient(tracking)
run = client.create_run("0").info.run_id
sources = {"run": f"runs:/{run}/model"}
with tempfile.TemporaryDirectory() as folder:
    (Path(folder) / "MLmodel").write_text(MLMODEL.format(run=run))
    (Path(folder) / "model.pkl").write_bytes(bytes(1024))
    (Path(folder) / "requirements.txt").write_text("mlflow\n")
    client.log_artifacts(run, folder, "model")
    if hasattr(client, "create_logged_model"):
        logged = client.create_logged_model("0", "model", run).model_id
        client.log_model_artifacts(logged, folder)
        client.finalize_logged_model(logged, "READY")
        sources["logged"] = f"models:/{logged}"
client.set_terminated(run)


def register(source: str) -> None:
    made = mlflow.register_model(sources[source], "fraud")
    if (made.status, made.run_id) != ("READY", run):
        raise AssertionError(f"{made.status} of run {made.run_id}")


def many(source: str) -> None:
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(register, [source] * registrations))


works = {f"{source} {kind}": (work, source) for source in sources for kind, work in (("one", register), ("many", many))}
found: dict[str, dict[str, list[float]]] = {name: {"ours": [], "theirs": []} for name in works}
for number in range(rounds + 1):
    for side, uri in (("ours", registry), ("theirs", tracking)):
        mlflow.set_registry_uri(uri)
        for name, (work, source) in works.items():
            if work is many and number % 3:
                continue
            began = time.perf_counter()
            work(source)
            if number:  # the first opens connections and makes the model
                found[name][side].append(time.perf_counter() - began)
sys.stdout.write(json.dumps(found) + "\n")
