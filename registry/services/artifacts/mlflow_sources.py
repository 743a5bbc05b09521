"""Resolution of MLflow sources that lie in the registry's artifact area to the files of a version."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.db.models import Artifact, Upload, VersionFile
from registry.db.queries import paths
from registry.db.session import reading
from registry.db.unknown import is_known
from registry.domain import artifact_area
from registry.domain.errors import Conflict, Unavailable
from registry.domain.manifest import File
from registry.rules.manifest import MOST_FILES
from registry.services.artifacts.artifact_files import version_shown
from registry.services.audit import row_seals
from registry.services.catalog import artifact_owners

KIND = "artifacts"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A file that a worker is to hash. ``object`` is the key under which it arrived."""

    path: str
    size: int
    object: str
    media_type: str


@dataclass(frozen=True, slots=True)
class ArtifactFiles:
    """The files at *path*, by the names that a version gives them; those *waiting* have no digest yet."""

    path: str
    files: Sequence[File]
    waiting: Sequence[Waiting] = ()

    @property
    def area(self) -> str | None:
        """The directory, or file, of the area whose paths a registration frees; None for the files of a version."""
        return None if self.path.partition("/")[0] == artifact_area.VERSIONS else self.path


def location_of(model_id: str, number: int) -> str:
    """Return the path at which the area shows a version's files."""
    return f"{artifact_area.VERSIONS}/{model_id}/{number}"


def manifest_at(source: str, *, hosts: Collection[str]) -> ArtifactFiles | None:
    """Return the files of *source* if it is in the artifact area and has any; *hosts* are this registry's host names.

    Accepts URLs of the area, ``mlflow-artifacts:`` and ``models:/m-<id>`` of a logged model whose files were sent here.
    Raises Conflict when the files of one logged model lie at several places, when several accounts have written them,
    or for a deleted version; NotReady for a version without verified files.
    """
    model = artifact_area.logged_model_named(source)
    path = None if model is not None else artifact_area.path_in(source, hosts=hosts)
    if model is None and not path:
        return None
    with reading() as session:
        if model is not None:
            path = _logged_model_at(session, model)
        if not path or artifact_area.problem(path):
            return None
        manifest = (
            _find_version_files(session, path)
            if path.partition("/")[0] == artifact_area.VERSIONS
            else _stored(session, path)
        )
    return manifest if manifest and (manifest.files or manifest.waiting) else None


def wait_facts(manifest: ArtifactFiles) -> dict[str, Any]:
    """Return the facts of an import that fills a version with *manifest* as soon as all of it is hashed.

    The files are those of now, also when their paths are written again in between.
    """
    hashed = [
        {"path": file.path, "size": file.size, "sha256": file.sha256, "media_type": file.media_type}
        for file in manifest.files
    ]
    waiting = [
        {"path": file.path, "size": file.size, "object": file.object, "media_type": file.media_type}
        for file in manifest.waiting
    ]
    return {"kind": KIND, "path": manifest.path, "files": hashed + waiting}


def files_for(facts: Mapping[str, Any]) -> list[File]:
    """Return the files of :func:`wait_facts`.

    Raises Unavailable while one is not hashed, Conflict when it never will be.
    """
    awaited = [file["object"] for file in facts["files"] if "object" in file]
    with reading() as session:
        hashed = dict(_hashed(session, awaited))
        open_ = set(session.scalars(select(Artifact.object).where(Artifact.object.in_(awaited)))) if awaited else set()
    files = []
    for file in facts["files"]:
        if "object" in file and file["object"] not in hashed:
            _refuse(file, facts, is_open=file["object"] in open_)
        size, sha256 = hashed[file["object"]] if "object" in file else (file["size"], file["sha256"])
        files.append(File(file["path"], size, sha256, file["media_type"]))
    return files


def _refuse(file: Mapping[str, Any], facts: Mapping[str, Any], *, is_open: bool) -> None:
    if is_open:
        raise Unavailable(f"{facts['path']}/{file['path']} is still to be read and hashed")
    raise Conflict(
        f"{facts['path']}/{file['path']} was written again or deleted before it could be hashed; register it again"
    )


def _hashed(session: Session, objects: Sequence[str]) -> list[tuple[str, tuple[int, str]]]:
    if not objects:
        return []
    done = select(Upload).where(Upload.key.in_(objects), is_known(Upload.sha256))
    sent = row_seals.genuine(session, session.scalars(done))
    return [(upload.key, (upload.size, upload.sha256)) for upload in sent]


def _logged_model_at(session: Session, model: str) -> str | None:
    """Return the directory of a logged model. Raises Conflict when there are several: none of them can be believed."""
    artifact_paths = session.scalars(select(Artifact.path).where(Artifact.logged_model == model))
    roots = sorted({artifact_area.logged_model_root(path) for path in artifact_paths})
    if len(roots) > 1:
        raise Conflict(
            f"the files of {model} lie at several places ({', '.join(roots[:3])}); name the one you mean by its "
            "address as the source"
        )
    return roots[0] if roots else None


def _stored(session: Session, path: str) -> ArtifactFiles:
    """Never more files than one too many: a manifest refuses those. Raises Conflict for files of several accounts."""
    rows = session.scalars(
        select(Artifact).where(*paths.within(path)).order_by(Artifact.path).limit(MOST_FILES + 1)
    ).all()
    artifact_owners.require_one(session, (row.created_by for row in rows), path)
    files = [
        File(_relative_path(row.path, path), row.size, row.sha256, row.media_type)
        for row in rows
        if row.sha256 is not None
    ]
    waiting = [
        Waiting(_relative_path(row.path, path), row.size, row.object or "", row.media_type)
        for row in rows
        if row.sha256 is None
    ]
    return ArtifactFiles(path, files, waiting)


def _find_version_files(session: Session, path: str) -> ArtifactFiles | None:
    version_path = artifact_area.version_path(path)
    version = version_shown(session, version_path) if version_path else None
    if version_path is None or version is None:
        return None
    rows = session.scalars(select(VersionFile).where(VersionFile.version_id == version.id).order_by(VersionFile.path))
    files = [File(row.path, row.size, row.sha256, row.media_type) for row in rows]
    if version_path.path:
        above = f"{version_path.path}/"
        files = [
            File(_relative_path(file.path, version_path.path), file.size, file.sha256, file.media_type)
            for file in files
            if file.path == version_path.path or file.path.startswith(above)
        ]
    return ArtifactFiles(path, files)


def _relative_path(path: str, directory: str) -> str:
    """Return the path of a file within a version: below the directory, or its last component for a single file."""
    return path.removeprefix(f"{directory}/") if path != directory else path.rpartition("/")[2]
