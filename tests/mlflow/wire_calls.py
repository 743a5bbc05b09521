"""Requests that MLflow's client does not send in this form, and writes that change nothing."""

import os

import requests

S3 = "s3://bucket/path/model"


def wire(call, client):
    headers = {"Authorization": f"Bearer {os.environ['MLFLOW_TRACKING_TOKEN']}"}

    def send(label, method, path, **body):
        url = f"{call.url}/api/2.0/mlflow{path}"
        document = requests.request(method, url, json=body, headers=headers, timeout=60).json()
        refused = {"refused": document.get("error_code"), "message": document.get("message")}
        call(label, lambda: refused if "error_code" in document else sorted(document))

    def read(label, path):
        response = requests.get(call.url + path, timeout=60)
        call(label, lambda: [response.status_code, response.text])

    read("health", "/health")
    read("release", "/version")
    client.create_registered_model("wired", {"k": "v"}, "words")
    client.create_model_version("wired", S3)
    client.create_registered_model("tagged")
    call("name of 256", lambda: len(client.create_registered_model("n" * 256).name))
    call("get name of 256", lambda: len(client.get_registered_model("n" * 256).name))
    call("name of 257", lambda: len(client.create_registered_model("n" * 257).name))
    call("untag a long key", client.delete_registered_model_tag, "wired", "k" * 251)
    call("untag a version's long key", client.delete_model_version_tag, "wired", "1", "k" * 251)
    send("a number tags", "POST", "/registered-models/set-tag", name="wired", key="n", value=1)
    send("nought tags", "POST", "/registered-models/set-tag", name="wired", key="n", value=0)
    send("null tags", "POST", "/registered-models/set-tag", name="wired", key="n", value=None)
    send("a number tags a version", "POST", "/model-versions/set-tag", name="wired", version="1", key="n", value=1)
    for label, value in (("a number", 1), ("nought", 0), ("false", False), ("null", None)):
        tags = [{"key": "n", "value": value}]
        send(f"create with {label} in a tag", "POST", "/registered-models/create", name=f"with {label}", tags=tags)
        send(f"version with {label} in a tag", "POST", "/model-versions/create", name="tagged", source=S3, tags=tags)
    move = {"name": "wired", "version": "1", "stage": "Staging"}
    for label, value in (("text", "true"), ("capitals", "True"), ("a number", 1), ("null", None), ("a boolean", True)):
        send(f"archive by {label}", "POST", "/model-versions/transition-stage", **move, archive_existing_versions=value)
    call("wired", client.get_registered_model, "wired")
    for label, again, *arguments in (
        ("words", client.update_registered_model, "wired", "words"),
        ("a version's words", client.update_model_version, "wired", "1", "words"),
        ("a stage", client.transition_model_version_stage, "wired", "1", "Staging"),
        ("a stage alone", client.transition_model_version_stage, "wired", "1", "Staging", True),
        ("the name", client.rename_registered_model, "wired", "wired"),
        ("a tag", client.set_registered_model_tag, "wired", "k", "v"),
        ("a version's tag", client.set_model_version_tag, "wired", "1", "k", "v"),
        ("an alias", client.set_registered_model_alias, "wired", "a", "1"),
    ):
        again(*arguments)
        call(f"before {label} again", client.get_registered_model, "wired")
        call(f"before {label} again: the version", client.get_model_version, "wired", "1")
        call(f"{label} again", again, *arguments)
        call(f"after {label} again", client.get_registered_model, "wired")
        call(f"after {label} again: the version", client.get_model_version, "wired", "1")
