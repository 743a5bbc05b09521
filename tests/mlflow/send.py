"""A data scientist's script, run by MLflow's Python: sends files to the artifact area and registers them.

``python send.py TRACKING REGISTRY`` prints the run, and what the registry answered, as JSON.
"""

import json
import sys
import warnings

warnings.simplefilter("ignore")

import mlflow  # noqa: E402 -- after the warnings it would begin with
from sklearn.linear_model import LogisticRegression  # noqa: E402 -- as above

tracking, registry = sys.argv[1:]
mlflow.set_tracking_uri(tracking)
mlflow.set_registry_uri(registry)
area = f"{registry}/api/2.0/mlflow-artifacts/artifacts/team"
mlflow.set_experiment(experiment_id=mlflow.create_experiment("sent", artifact_location=area))

with mlflow.start_run() as run:
    model = LogisticRegression(C=1.0).fit([[0.0], [1.0]], [0, 1])
    logged = mlflow.sklearn.log_model(
        model, name="model", registered_model_name="fraud", pip_requirements=["scikit-learn"]
    )
version = mlflow.MlflowClient().get_model_version("fraud", logged.registered_model_version)
told = {"run": run.info.run_id, "version_run": version.run_id, "status": version.status}
sys.stdout.write(json.dumps(told) + "\n")
