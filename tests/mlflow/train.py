"""A data scientist's script, run by MLflow's Python: trains, logs to the tracking server, registers here.

``python train.py TRACKING REGISTRY C…`` makes one run and one version for each C. Prints for each, as JSON, the run and
the SHA-256 of each file that was logged.
"""

import hashlib
import json
import sys
import tempfile
import warnings
from pathlib import Path

warnings.simplefilter("ignore")

import mlflow  # noqa: E402 -- after the warnings it would begin with
import pandas  # noqa: E402 -- as above
from sklearn.linear_model import LogisticRegression  # noqa: E402 -- as above

tracking, registry, *strengths = sys.argv[1:]
mlflow.set_tracking_uri(tracking)
mlflow.set_registry_uri(registry)
table = pandas.DataFrame({"amount": [0.0, 1.0, 2.0, 3.0], "age": [1.0, 0.0, 1.0, 0.0], "fraud": [0, 0, 1, 1]})
inputs = table[["amount", "age"]]

for strength in strengths:
    with mlflow.start_run() as run:
        mlflow.log_params({"C": strength})
        mlflow.log_metrics({"auc": 0.9, "loss": float("nan")})
        mlflow.log_input(mlflow.data.from_pandas(table, name="transactions"), context="training")
        model = LogisticRegression(C=float(strength)).fit(inputs, table["fraud"])
        logged = mlflow.sklearn.log_model(
            model,
            name="model",
            registered_model_name="fraud",
            pip_requirements=["scikit-learn"],  # guessing them takes longer than all the rest
        )
        # As autolog does: what is known only now comes after the model.
        mlflow.log_metrics({"f1": 0.8})
        mlflow.log_input(mlflow.data.from_pandas(inputs, name="holdout"), context="test")
    with tempfile.TemporaryDirectory() as folder:
        files = Path(mlflow.artifacts.download_artifacts(f"models:/{logged.model_id}", dst_path=folder))
        digests = {
            str(file.relative_to(files)): hashlib.sha256(file.read_bytes()).hexdigest()
            for file in files.rglob("*")
            if file.is_file() and file.name != "registered_model_meta"  # the client's own note beside them
        }
    told = {"run": run.info.run_id, "version": logged.registered_model_version, "files": digests}
    sys.stdout.write(json.dumps(told) + "\n")
