"""MLflow's artifact repository for ``registry+http(s)://…/models/<name>/versions/<number>``: verified downloads."""

from __future__ import annotations

import posixpath
import tempfile
from pathlib import Path
from typing import Any

import mlflow
from mlflow.entities import FileInfo
from mlflow.store.artifact.artifact_repo import ArtifactRepository

from registry.client import Reference, RegistryClient
from registry.client.types import FileView
from registry.plugin import address
from registry.plugin.answers import as_mlflow


class VersionRepository(ArtifactRepository):  # type: ignore[misc] # MLflow has no stubs
    """The files of one version, which cannot be changed."""

    def __init__(self, artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None) -> None:
        super().__init__(artifact_uri)
        self._trusted = (registry_uri,)

    def list_artifacts(self, path: str | None = None) -> list[Any]:
        """Return the direct entries of *path*; none for a file."""
        place = self._place(path)
        with as_mlflow(), self._client(place) as registry:
            files = list(registry.versions.files(place.model, place.number))
        inner = self._place(None).path
        return [
            FileInfo(posixpath.relpath(child, inner) if inner else child, size is None, size)
            for child, size in _children(files, place.path)
        ]

    def download_artifacts(self, artifact_path: str, dst_path: str | None = None, **_: Any) -> str:
        """Download a file, a folder or all; where it is then. Every byte is checked against the manifest."""
        place = self._place(artifact_path)
        target = Path(dst_path or tempfile.mkdtemp(prefix="registry-")).absolute()
        with as_mlflow(), self._client(place) as registry:
            only = [place.path] if place.path else []
            registry.pull(Reference(place.model, version=place.number), target, force=True, only=only)
        return str(target / place.path) if place.path else str(target)

    def _download_file(self, remote_file_path: str, local_path: str) -> None:
        # In the target's directory, because a rename works only within one file system.
        with tempfile.TemporaryDirectory(prefix=".registry-", dir=Path(local_path).absolute().parent) as folder:
            downloaded = self.download_artifacts(remote_file_path, folder)
            Path(downloaded).replace(local_path)

    def log_artifact(self, local_file: str, artifact_path: str | None = None) -> None:
        raise address.invalid("a registered version cannot be changed; register a new one")

    def log_artifacts(self, local_dir: str, artifact_path: str | None = None) -> None:
        raise address.invalid("a registered version cannot be changed; register a new one")

    def delete_artifacts(self, artifact_path: str | None = None) -> None:
        raise address.invalid("a registered version cannot be changed; delete it in the registry")

    def _place(self, path: str | None) -> address.Place:
        """MLflow cuts a URI anywhere: the path goes on where it ends."""
        return address.place(posixpath.join(self.artifact_uri, path) if path else self.artifact_uri)

    def _client(self, place: address.Place) -> RegistryClient:
        return address.client(place.registry, trusted=(*self._trusted, mlflow.get_registry_uri()))


def _children(files: list[FileView], path: str) -> list[tuple[str, int | None]]:
    """Return files and folders directly in the folder *path*, each with its size or None."""
    prefix = f"{path}/" if path else ""
    children: dict[str, int | None] = {}
    for file in files:
        if file["path"].startswith(prefix):
            name, slash, _ = file["path"].removeprefix(prefix).partition("/")
            children[prefix + name] = None if slash else file["size"]
    return sorted(children.items())
