"""The files of a new version, and the facts of their run and model in MLflow's tracking."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.utils.file_utils import local_file_uri_to_path
from mlflow.utils.uri import is_local_uri

from registry.client import tracked
from registry.client.registration import Facts

_LOGGED = re.compile(r"models:/([^/@]+)/?\Z")
_RUN = re.compile(r"runs:/+([^/]+)/(.*)", re.DOTALL)
_ABSENT = frozenset({"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "ENDPOINT_NOT_FOUND", "NOT_FOUND"})


class RunOrigin:
    """One source as a client names it: ``models:/m-…``, ``runs:/…``, or any place that MLflow can read."""

    def __init__(
        self,
        source: str,
        *,
        run_id: str | None,
        model_id: str | None,
        tracking_uri: str | None = None,
        tracking: Any = None,
    ) -> None:
        logged, run = _LOGGED.match(source), _RUN.match(source)
        self.source = source
        self.run_path = run[2] if run else None
        self.model_id = model_id or (logged[1] if logged else None)
        self._tracking_uri = tracking_uri
        self._tracking = tracking or mlflow.MlflowClient(tracking_uri=tracking_uri)
        self.logged_model = self._get_logged_model()
        self.run_id = run_id or (run[1] if run else None) or getattr(self.logged_model, "source_run_id", None)
        self.run = self._get_run()

    @property
    def readable(self) -> bool:
        """True: the files are read with the caller's own credentials."""
        return True

    @contextmanager
    def files(self, local_path: str | None) -> Iterator[Path]:
        """Provide the directory, or the one file, while the block runs. Raises MlflowException."""
        location = local_path or self._location()
        if is_local_uri(location, False) and (here := Path(local_file_uri_to_path(location))).exists():
            yield here
            return
        with tempfile.TemporaryDirectory(prefix="registry-") as folder:
            yield self._download(location, folder)

    def facts(self) -> Facts:
        """Return the facts of the run and the logged model."""
        return tracked.facts(self.run, self.logged_model, run_id=self.run_id, url=self._run_url())

    def _location(self) -> str:
        """Return the location of the files, not ``models:/m-…``: a download of that adds a file."""
        if _LOGGED.match(self.source):
            if self.logged_model is None:
                where = f"the tracking server {self._tracking_uri}" if self._tracking_uri else "this MLflow server"
                raise MlflowException(f"{self.source} is not known to {where}", error_code=INVALID_PARAMETER_VALUE)
            return str(self.logged_model.artifact_location)
        return self.source

    def _download(self, location: str, folder: str) -> Path:
        try:
            return Path(mlflow.artifacts.download_artifacts(artifact_uri=location, dst_path=folder))
        except Exception as error:
            raise MlflowException(
                f"the files of {self.source} cannot be read from here: {error}. To register a reference without its"
                " files, use the registry's https:// address without registry+.",
                error_code=INVALID_PARAMETER_VALUE,
            ) from error

    def _get_logged_model(self) -> Any:
        if self.model_id is None or not hasattr(self._tracking, "get_logged_model"):
            return None
        return _or_none(self._tracking.get_logged_model, self.model_id)

    def _get_run(self) -> Any:
        return _or_none(self._tracking.get_run, self.run_id) if self.run_id else None

    def _run_url(self) -> str | None:
        base = self._tracking_uri or ""
        if self.run is None or not base.startswith(("http://", "https://")) or "@" in base:
            return None
        return f"{base.rstrip('/')}/#/experiments/{self.run.info.experiment_id}/runs/{self.run.info.run_id}"


def _or_none(get: Any, name: str) -> Any:
    """Return the tracking store's entity of that name, or None: a version may come from elsewhere."""
    try:
        return get(name)
    except MlflowException as error:
        if error.error_code in _ABSENT:
            return None
        raise
