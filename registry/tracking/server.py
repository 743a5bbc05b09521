"""One MLflow tracking server: its runs, its logged models and their files."""

from __future__ import annotations

from collections.abc import Iterator

from registry.domain import tracked
from registry.domain.errors import Conflict
from registry.tracking import responses
from registry.tracking.artifact_folders import Folder, FolderEntry, OfLoggedModel, OfRun, Proxied
from registry.tracking.http_client import Link
from registry.tracking.responses import LoggedModel, TrackedRun


class TrackingServer:
    """Ids must have been checked: they become parts of addresses. No file may have more than *most* bytes."""

    def __init__(self, link: Link, *, most: int) -> None:
        self._link, self._most = link, most

    @property
    def url(self) -> str:
        return self._link.url

    def check(self) -> None:
        """Require that the server answers and accepts the credentials. Raises NotFound, Conflict or Unavailable."""
        self._link.document("api/2.0/mlflow/experiments/search", "its experiments", {"max_results": "1"})

    def run(self, run_id: str) -> TrackedRun:
        """Return a run. Raises NotFound, Conflict or Unavailable."""
        answer = self._link.document("api/2.0/mlflow/runs/get", f"the run {run_id}", {"run_id": run_id})
        stated = responses.run(answer)
        if stated.id != run_id:
            raise Conflict(f"{self.url} answers with another run when it is asked for {run_id}")
        return stated

    def logged_model(self, model_id: str) -> LoggedModel:
        """Return a logged model. Raises NotFound, Conflict or Unavailable."""
        answer = self._link.document(f"api/2.0/mlflow/logged-models/{model_id}", f"the logged model {model_id}")
        stated = responses.logged_model(answer)
        if stated.id != model_id:
            raise Conflict(f"{self.url} answers with another logged model when it is asked for {model_id}")
        return stated

    def folder_of_run(self, run: TrackedRun, path: str) -> Folder:
        """Return the files at *path* of the run's artifacts. Raises Conflict for what is on another server."""
        root = self._proxied(run.artifact_uri)
        return OfRun(self._link, run.id, path) if root is None else Proxied(self._link, f"{root}/{path}".rstrip("/"))

    def folder_of_model(self, model: LoggedModel, path: str = "") -> Folder:
        """Return the files at *path* of the logged model's artifacts. Raises Conflict for what is on another server."""
        root = self._proxied(model.artifact_uri)
        if root is None:
            return OfLoggedModel(self._link, model.id, path)
        return Proxied(self._link, f"{root}/{path}".rstrip("/"))

    def read(self, folder: Folder, entry: FolderEntry) -> Iterator[bytes]:
        """Stream a file as it was listed. Raises Conflict where it is another by now, or too large."""
        if (entry.size or 0) > self._most:
            raise self._too_large(entry)
        length = 0
        for chunk in folder.read(entry.path):
            length += len(chunk)
            if length > self._most:
                raise self._too_large(entry)
            if entry.size is not None and length > entry.size:
                break
            yield chunk
        if entry.size not in {None, length}:
            raise Conflict(f"{entry.path} is not as long as {self.url} says: {entry.size} bytes")

    def run_page(self, run: TrackedRun) -> str | None:
        """Return where people look at the run; None where its experiment's id is odd."""
        experiment = run.experiment_id
        if not experiment.isascii() or not experiment.isdigit():
            return None
        return f"{self.url}/#/experiments/{experiment}/runs/{run.id}"

    def _proxied(self, location: str) -> str | None:
        try:
            return tracked.proxied(location, self.url)
        except ValueError as error:
            raise Conflict(f"the artifacts at {location} are not fetched from there: {error}") from error

    def _too_large(self, entry: FolderEntry) -> Conflict:
        return Conflict(f"{entry.path} is larger than {self._most} bytes, the most that one file may have")
