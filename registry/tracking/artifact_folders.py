"""Folders of artifacts that a tracking server hands out: what is in them, and the bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from registry.domain import manifest
from registry.domain.errors import Conflict, NotFound
from registry.rules import paths
from registry.rules.listing import listed
from registry.rules.manifest import MOST_FILES
from registry.tracking.http_client import Link


@dataclass(frozen=True, slots=True)
class FolderEntry:
    """A file or a directory. ``path`` is below the folder; ``size``, in bytes, is None where the server omits it."""

    path: str
    is_directory: bool
    size: int | None


class Folder(Protocol):
    """A root and all that is below it."""

    def entries(self, directory: str) -> Iterator[FolderEntry]:
        """Yield the entries of a directory of the folder; "" is the folder itself. A missing directory is empty."""

    def read(self, path: str) -> Iterator[bytes]:
        """Stream a file."""


class Proxied:
    """A folder behind the artifact proxy (``mlflow-artifacts:``), at *root* below what the proxy serves."""

    def __init__(self, link: Link, root: str) -> None:
        self._link, self._root = link, root

    def entries(self, directory: str) -> Iterator[FolderEntry]:
        """Yield the proxy calls its files by their last step alone."""
        place = _joined(self._root, directory)
        yield from _list_entries(self._link, "api/2.0/mlflow-artifacts/artifacts", directory, "", {"path": place})

    def read(self, path: str) -> Iterator[bytes]:
        return self._link.stream(f"api/2.0/mlflow-artifacts/artifacts/{_joined(self._root, path)}", f"the file {path}")


class OfRun:
    """Folder at *root* of a run's artifacts. The server fetches them from their store itself."""

    def __init__(self, link: Link, run_id: str, root: str) -> None:
        self._link, self._run_id, self._root = link, run_id, root

    def entries(self, directory: str) -> Iterator[FolderEntry]:
        query = {"run_id": self._run_id}
        if place := _joined(self._root, directory):
            query["path"] = place
        yield from _list_entries(self._link, "api/2.0/mlflow/artifacts/list", directory, self._root, query)

    def read(self, path: str) -> Iterator[bytes]:
        query = {"run_id": self._run_id, "path": _joined(self._root, path)}
        return self._link.stream("get-artifact", f"the file {path}", query)


class OfLoggedModel:
    """Folder at *root* of a logged model's artifacts. The server fetches them from their store itself."""

    def __init__(self, link: Link, model_id: str, root: str) -> None:
        self._link, self._model_id, self._root = link, model_id, root

    def entries(self, directory: str) -> Iterator[FolderEntry]:
        query = {}
        if place := _joined(self._root, directory):
            query["artifact_directory_path"] = place
        address = f"api/2.0/mlflow/logged-models/{self._model_id}/artifacts/directories"
        yield from _list_entries(self._link, address, directory, self._root, query)

    def read(self, path: str) -> Iterator[bytes]:
        address = f"ajax-api/2.0/mlflow/logged-models/{self._model_id}/artifacts/files"
        return self._link.stream(address, f"the file {path}", {"artifact_file_path": _joined(self._root, path)})


def walk(folder: Folder, *, keep: Callable[[str], bool], pulse: Callable[[], None]) -> list[FolderEntry]:
    """Return every file of a folder whose path *keep* accepts, each with a valid, unique path.

    *keep* gets directories with a slash at their end; *pulse* is called as the work goes on. Raises Conflict for a
    folder that no version can be made of, or that has no end, NotFound when it has no files.
    """
    files, wrong, waiting, seen = list[FolderEntry](), list[str](), [""], 0
    while waiting:
        directory = waiting.pop()
        for entry in folder.entries(directory):
            pulse()
            seen += 1
            if seen > 2 * MOST_FILES:  # a directory for each file is more than any model has
                raise Conflict(f"there are more than {MOST_FILES} files")
            if not keep(f"{entry.path}/" if entry.is_directory else entry.path):
                continue
            if problem := paths.problem(entry.path):
                wrong.append(f"the file {entry.path!r} cannot be in a version: its path {problem}")
            elif entry.is_directory:
                waiting.append(entry.path)
            else:
                files.append(entry)
    if wrong:
        raise Conflict(listed(wrong, "; "))
    if not files:
        raise NotFound("there are no files")
    manifest.seal([manifest.File(entry.path, 0, "") for entry in files])
    return files


def _list_entries(
    link: Link, address: str, directory: str, root: str, query: Mapping[str, str]
) -> Iterator[FolderEntry]:
    """Yield the pages of a listing, one at least.

    Their paths begin with *root* and the directory, or are the last step.
    """
    within = f"{_joined(root, directory)}/".lstrip("/") if "mlflow-artifacts" not in address else ""
    while True:
        answer = link.document(address, f"the list of {directory or 'the files'}", query)
        files = answer.get("files")
        items = files if isinstance(files, list) else []
        for item in items:
            yield _parse_entry(item, within, directory)
        token = answer.get("next_page_token")
        if not token or not isinstance(token, str):
            return
        if not items:
            raise Conflict(f"the list of {directory or 'the files'} has no end")
        query = {**query, "page_token": token}


def _parse_entry(item: Any, within: str, directory: str) -> FolderEntry:
    """Return one line of a listing: a direct child of the directory that was listed, and nothing else."""
    document: Mapping[str, Any] = item if isinstance(item, dict) else {}
    path, size = document.get("path"), document.get("file_size")
    name = path.removeprefix(within) if isinstance(path, str) and path.startswith(within) else ""
    if not name or "/" in name:
        raise Conflict(f"the tracking server lists {path!r} where it was asked for {directory or 'the files'}")
    if isinstance(size, str) and size.isascii() and size.isdigit() and len(size) < 20:
        size = int(size)
    whole = size if type(size) is int and size >= 0 else None
    return FolderEntry(_joined(directory, name), document.get("is_dir") is True, whole)


def _joined(root: str, path: str) -> str:
    return "/".join(part for part in (root, path) if part)
