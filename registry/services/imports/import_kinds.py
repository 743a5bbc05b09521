"""Ways to fill a version whose number was reserved, one for each kind of facts.

artifacts   files that lie in the registry's artifact area
location    files at a location that may be imported from
tracking    a logged model or a run of a tracking server; see ``upstream``
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any

from sqlalchemy import select

from registry.db.models import Blob
from registry.db.session import reading
from registry.domain import manifest
from registry.domain.errors import BlobsMissing
from registry.domain.lineage import Environment, Run, Snapshot
from registry.domain.manifest import File
from registry.domain.registrations import Registration
from registry.rules import mlmodel
from registry.services.imports.copy import Job
from registry.storage.checked import Store
from registry.storage.sources import Sources

Kind = Callable[[Job], Registration]
NOTHING: Mapping[str, bytes] = MappingProxyType({})


def from_location(sources: Sources) -> Kind:
    """Fetch what is at the version's source. Raises Refused or Unavailable."""
    return lambda job: described(fetch_all(job, sources, job.source), store=job.store, contents=job.contents)


def from_artifacts(files_for: Callable[[Mapping[str, Any]], Sequence[File]]) -> Kind:
    """Return a kind for files in the store, which *files_for* lists; it raises Unavailable until all are hashed."""

    def fill(job: Job) -> Registration:
        files = files_for(job.facts)
        take(job, files)
        return described(files, store=job.store, area=job.facts["path"])

    return fill


def take(job: Job, files: Sequence[File]) -> None:
    """Take *files* that were sent to the artifact area. Raises Invalid, or BlobsMissing."""
    manifest.seal(files)
    here = job.take_over(files)
    if missing := [file.sha256 for file in files if file.sha256 not in here]:
        raise BlobsMissing(f"{len(missing)} of the files are not in the store", missing=missing)
    job.files, job.bytes = len(files), sum(file.size for file in files)


def _read_file(file: File, store: Store) -> bytes:
    with reading() as session:
        key = session.scalars(select(Blob.key).where(Blob.sha256 == file.sha256)).one_or_none()
    return b"".join(store.read(key)) if key else b""


def fetch_all(job: Job, sources: Sources, location: str) -> list[File]:
    """Fetch every file of a location but what is left out by default.

    Raises Refused, Unavailable, or Invalid for files that no version can have.
    """
    source_files = sources.files(location, keep=job.keeps)
    job.check((one.path, one.size) for one in source_files)
    manifest.seal([File(one.path, 0, "") for one in source_files])  # what cannot be registered is not fetched either
    return job.fetch_all((one.path, partial(sources.read, one)) for one in source_files)


def described(
    files: Sequence[File],
    *,
    store: Store,
    contents: Mapping[str, bytes] = NOTHING,
    lineage: Snapshot | None = None,
    **said: Any,
) -> Registration:
    """Return a registration of *files* in the store, with the facts of their ``MLmodel`` file if they have one.

    *contents* are files that need not be read again, by their digests. The run that the file names is recorded as
    stated by it, unless another is known. Raises BlobsMissing or Unavailable.
    """
    registration, facts = _completed(Registration(files=files, lineage=lineage or Snapshot(), **said), store, contents)
    if registration.lineage.run is not None or facts.run_id is None:
        return registration
    named = Run("mlflow", facts.run_id, stated_by=mlmodel.NAME)
    return replace(registration, lineage=replace(registration.lineage, run=named))


def completed(registration: Registration, *, store: Store) -> Registration:
    """Return the registration with the facts of its files, where it has no values.

    Raises BlobsMissing or Unavailable.
    """
    return _completed(registration, store, NOTHING)[0]


def _completed(
    registration: Registration, store: Store, contents: Mapping[str, bytes]
) -> tuple[Registration, mlmodel.Facts]:
    by_path = {file.path: file for file in registration.files}
    facts = mlmodel.capture(
        {path: file.sha256 for path, file in by_path.items()},
        {path: file.size for path, file in by_path.items()},
        lambda path: (
            _read_file(by_path[path], store) if (content := contents.get(by_path[path].sha256)) is None else content
        ),
    )
    said = registration.lineage.environment or Environment()
    environment = replace(said, python=said.python or facts.python, lock_digest=said.lock_digest or facts.lock_digest)
    whole = replace(
        registration,
        framework=registration.framework or facts.framework,
        signature=facts.signature if registration.signature is None else registration.signature,
        lineage=replace(registration.lineage, environment=None if environment == Environment() else environment),
    )
    return whole, facts
