"""What a version whose number was reserved is filled with: one way for each kind of facts that may be kept of it.

artifacts   files that lie in the registry's own artifact area
location    files at a location that may be imported from
tracking    a logged model or a run of a tracking server; see ``tracking``
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from sqlalchemy import select

from registry.db.models import Blob
from registry.db.session import reading
from registry.domain import manifest, mlmodel
from registry.domain.errors import BlobsMissing
from registry.domain.lineage import Snapshot
from registry.domain.manifest import File
from registry.domain.registrations import Registration
from registry.services.fetching import Job
from registry.storage.checked import Store
from registry.storage.sources import Sources

Kind = Callable[[Job], Registration]


def from_location(sources: Sources) -> Kind:
    """Fetch what is at the version's source. Raises Refused or Unavailable."""
    return lambda job: described(fetch_all(job, sources, job.taken.source), store=job.store)


def from_artifacts(files_for: Callable[[Mapping[str, Any]], Sequence[File]]) -> Kind:
    """Take the files that *files_for* finds in the store already; it raises Unavailable to be asked again."""

    def fill(job: Job) -> Registration:
        files = files_for(job.taken.facts)
        manifest.seal(files)
        if missing := [file.sha256 for file in files if not job.take_over(file)]:
            raise BlobsMissing(f"{len(missing)} of the files are not in the store", missing=missing)
        job.files, job.bytes = len(files), sum(file.size for file in files)
        return described(files, store=job.store, area=job.taken.facts["path"])

    return fill


def _read(file: File, store: Store) -> bytes:
    with reading() as session:
        key = session.scalars(select(Blob.key).where(Blob.sha256 == file.sha256)).one_or_none()
    return b"".join(store.read(key)) if key else b""


def fetch_all(job: Job, sources: Sources, location: str) -> list[File]:
    """Fetch every file of a location. Raises Refused, Unavailable, or Invalid for files that no version can have."""
    found = sources.files(location)
    manifest.seal([File(one.path, 0, "") for one in found])  # what cannot be registered is not fetched either
    return [job.fetch(one.path, partial(sources.read, one)) for one in found]


def described(files: Sequence[File], *, store: Store, lineage: Snapshot | None = None, **said: Any) -> Registration:
    """A registration of *files* that the store has, with what they say of themselves where they are an MLflow model.

    Raises BlobsMissing or Unavailable.
    """
    told = next((file for file in files if file.path == mlmodel.NAME and file.size < mlmodel.MOST), None)
    facts = mlmodel.read(_read(told, store)) if told else mlmodel.Facts()
    found = replace(lineage or Snapshot(), environment=mlmodel.environment(files, facts.python))
    return Registration(files=files, framework=facts.framework, signature=facts.signature, lineage=found, **said)
