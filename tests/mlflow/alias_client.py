"""A program of MLflow that sets, resolves and deletes aliases: run by its Python, never imported by ours.

``python alias_client.py URL`` prints, as JSON, what each call gave: an error's code, or a version's number and message.
"""

import json
import sys
import warnings

warnings.simplefilter("ignore")

from mlflow import MlflowClient  # noqa: E402 -- after the warnings it would begin with
from mlflow.exceptions import MlflowException  # noqa: E402

client = MlflowClient(tracking_uri=sys.argv[1], registry_uri=sys.argv[1])
ELSEWHERE = client.create_model_version("fraud", "s3://elsewhere/model").version


def told(call, *arguments):
    try:
        found = call(*arguments)
    except MlflowException as error:
        return error.error_code
    return found and [found.version, found.status_message]


def refusal(call, *arguments):
    try:
        call(*arguments)
    except MlflowException as error:
        return str(error)
    return None


done = {
    "protected": told(client.set_registered_model_alias, "fraud", "champion", "1"),
    "protected, unverified": told(client.set_registered_model_alias, "fraud", "champion", ELSEWHERE),
    "unverified": told(client.set_registered_model_alias, "fraud", "candidate", ELSEWHERE),
    "resolved": told(client.get_model_version_by_alias, "fraud", "candidate"),
    "delete protected": told(client.delete_registered_model_alias, "fraud", "stable"),
    "gates": [
        refusal(client.transition_model_version_stage, "guarded", "1", "Staging"),
        refusal(client.set_registered_model_alias, "guarded", "live", "1"),
    ],
}
sys.stdout.write(json.dumps(done) + "\n")
