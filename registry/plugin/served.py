"""The files of a new version that MLflow's server registers: in the server's tracking and artifact stores.

The server reads, with its own credentials, the source that a caller names. So it reads only files in the run or the
logged model that the caller names. The server's other endpoints return these to the same callers.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

from mlflow.exceptions import MlflowException
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

from registry.plugin import address, server
from registry.plugin.origin import RunOrigin


class ServedOrigin(RunOrigin):
    """One source as the server's caller names it."""

    def __init__(self, source: str, *, run_id: str | None, model_id: str | None) -> None:
        super().__init__(source, run_id=run_id, model_id=model_id, tracking=server.tracking_store())

    @property
    def readable(self) -> bool:
        """True if the files are in the run or the logged model."""
        roots = [getattr(self.logged_model, "artifact_location", None), self.run and self.run.info.artifact_uri]
        return any(_within(self._location(), root) for root in roots if root)

    @contextmanager
    def files(self, local_path: str | None) -> Iterator[Path]:
        """Provide the directory, or the one file, while the block runs; *local_path* is a path of another machine.

        Raises MlflowException when the server cannot read the files.
        """
        repository, path = server.repository(self._location())
        with tempfile.TemporaryDirectory(prefix="registry-") as folder:
            # A directory of this machine is read where it is.
            there = None if isinstance(repository, LocalArtifactRepository) else folder
            try:
                directory = repository.download_artifacts(path, dst_path=there)
            except (MlflowException, OSError) as error:
                raise address.invalid(f"the MLflow server has no files at {self.source}") from error
            yield Path(directory)

    def _location(self) -> str:
        run_path = self.run_path
        if run_path is not None and self.run is not None:
            return f"{self.run.info.artifact_uri.rstrip('/')}/{run_path}"
        return super()._location()


def _within(location: str, root: str) -> bool:
    """Return whether *location* is *root* or below it, however often its path is quoted."""
    plain = location
    while (shorter := unquote(plain)) != plain:
        plain = shorter
    if ".." in plain.split("/") or "\\" in plain or "\x00" in plain:
        return False
    return location == root or location.startswith(root.rstrip("/") + "/")
