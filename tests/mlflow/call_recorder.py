"""A recorder of calls of an MLflow client: their results by label, with times as changes.

A time is compared with that of the entity's earlier result: it rose, or stood.
"""

import time

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

VERSION_FIELDS = ("name", "version", "current_stage", "description", "source", "run_id", "run_link", "status",
                  "status_message", "tags")  # fmt: skip
MODEL_FIELDS = ("name", "description", "tags", "aliases")


class Recorder:
    """Makes calls and records their results by label."""

    def __init__(self, url):
        mlflow.set_tracking_uri(url)
        mlflow.set_registry_uri(url)
        self.url = url
        self.client = MlflowClient(tracking_uri=url, registry_uri=url)
        self.results, self.seen = {}, {}

    def __call__(self, label, call, *arguments, **options):
        assert label not in self.results, label
        time.sleep(0.003)  # so that what is changed is changed at another millisecond
        try:
            self.results[label] = self.plain(call(*arguments, **options))
        except MlflowException as error:
            message = error.message.split(": ", 1)[-1] if error.message.startswith(error.error_code) else error.message
            self.results[label] = {"refused": error.error_code, "message": message}

    def plain(self, value):
        kind = type(value).__name__
        if kind == "PagedList":
            return [self.version(item) if type(item).__name__ == "ModelVersion" else self.plain(item) for item in value]
        if kind == "ModelVersion":
            return self.version(value) | {"aliases": sorted(getattr(value, "aliases", ()))}
        if kind == "RegisteredModel":
            fields = {name: getattr(value, name, None) or None for name in MODEL_FIELDS}
            latest = sorted(value.latest_versions, key=lambda version: int(version.version))
            return fields | self.times(value, value.name) | {"latest": [self.version(version) for version in latest]}
        if isinstance(value, (list, tuple)):
            return [self.plain(item) for item in value]
        if isinstance(value, dict):
            return {key: self.plain(item) for key, item in value.items()}
        return value if isinstance(value, (str, int, float, type(None))) else kind

    def version(self, value):
        fields = {name: getattr(value, name, None) or None for name in VERSION_FIELDS}
        return fields | self.times(value, f"{value.name}:{value.version}")

    def times(self, value, key):
        created, updated = value.creation_timestamp, value.last_updated_timestamp
        before = self.seen.get(key, (created, updated))
        self.seen[key] = (created, updated)
        return {"created": created == before[0], "updated": "rose" if updated > before[1] else "stood",
                "fresh": created == updated}  # fmt: skip
