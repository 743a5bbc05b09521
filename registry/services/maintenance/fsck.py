"""Compare database and store, both ways: what is referred to and not there, what is there and not referred to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from sqlalchemy import exists, func, select

from registry.db.base import Rows
from registry.db.models import Artifact, Blob, Model, Version, VersionFile
from registry.db.queries import artifacts
from registry.db.session import reading, transaction
from registry.domain.access import SYSTEM
from registry.domain.errors import BlobsMissing
from registry.domain.states import VersionState
from registry.services.integrity import damage, store_ownership
from registry.services.integrity.damage import DAMAGED
from registry.services.maintenance import garbage_collection
from registry.storage.checked import Store

BATCH = 500
THREADS = 8


@dataclass(frozen=True, slots=True)
class Finding:
    """A difference between database and store.

    ``harm`` is set for lost or changed bytes, and not for waste, which the collector deletes, or for what was repaired.
    """

    kind: str
    name: str
    detail: str
    harm: bool


def check(*, store: Store, deep: bool = False, mark: bool = False) -> Iterator[Finding]:
    """Yield every difference between database and store; *deep* also reads and hashes every object.

    Writes nothing, unless *mark* is set. Then a worker reads damaged blobs again and records the fault in the audit
    log. An announcement of such a digest returns an upload target; blobs that are whole again are repaired. Raises
    ForeignStore, before anything is marked.
    """
    if mark:
        store_ownership.confirm(store)
    elif (whose := store_ownership.examine(store)).state is store_ownership.OwnershipState.FOREIGN:
        yield Finding("foreign", "registry-id", whose.detail, harm=True)
    yield from _versions()
    yield from _artifacts(store)
    yield from _check_blobs(store, deep=deep, mark=mark)
    yield from _strays(store)


def _versions() -> Iterator[Finding]:
    """Yield ready versions with files without a blob."""
    ready = select(Version.id).where(Version.state == VersionState.READY.value).order_by(Version.id).limit(BATCH)
    after = 0
    while True:
        with reading() as session:
            ids = session.scalars(ready.where(Version.id > after)).all()
            rows = session.execute(_unbacked(ids)).all()
        for name, number, count, path in rows:
            detail = f"{count} of its files have no blob, {path} for example"
            yield Finding("unbacked", f"{name}:{number}", detail, harm=True)
        if len(ids) < BATCH:
            return
        after = ids[-1]


def _artifacts(store: Store) -> Iterator[Finding]:
    """Yield paths of the artifact area without a blob, or whose bytes were lost before they were hashed."""
    backed = exists().where(Blob.sha256 == Artifact.sha256)
    page = select(Artifact.path, Artifact.sha256, Artifact.object, backed).order_by(Artifact.path).limit(BATCH)
    after = ""
    while True:
        with reading() as session:
            rows = session.execute(page.where(Artifact.path > after)).all()
        for path, sha256, object_, is_backed in rows:
            if sha256 is not None and not is_backed:
                yield Finding("unbacked", path, "this artifact has no blob", harm=True)
            elif object_ is not None and store.stat(object_) is None and _still_names(path, object_):
                yield Finding("missing", path, f"there is no object {object_}, which was never hashed", harm=True)
        if len(rows) < BATCH:
            return
        after = rows[-1][0]


def _still_names(path: str, key: str) -> bool:
    with reading() as session:
        return session.scalars(select(Artifact.object).where(Artifact.path == path)).first() == key


def _unbacked(ids: Sequence[int]) -> Rows:
    return (
        select(Model.name, Version.number, func.count(), func.min(VersionFile.path))
        .join(Version, Version.model_id == Model.id)
        .join(VersionFile, VersionFile.version_id == Version.id)
        .where(Version.id.in_(ids), ~artifacts.backed())
        .group_by(Model.name, Version.number)
        .order_by(Model.name, Version.number)
    )


def _check_blobs(store: Store, *, deep: bool, mark: bool) -> Iterator[Finding]:
    after = ""
    while True:
        with reading() as session:
            page = select(Blob).where(Blob.sha256 > after).order_by(Blob.sha256).limit(BATCH)
            blobs = session.scalars(page.execution_options(populate_existing=True)).all()
        for blob, finding in _compare(blobs, store, deep=deep, mark=mark):
            if _is_current(blob):
                if mark and finding.harm:
                    _mark_suspect(blob)
                yield finding
        if len(blobs) < BATCH:
            return
        after = blobs[-1].sha256


def _mark_suspect(blob: Blob) -> None:
    with transaction() as session:
        damage.suspect(session, [blob])


def _is_current(blob: Blob) -> bool:
    """Return whether the registry still means this object, now that it was found wanting."""
    with reading() as session:
        return session.scalars(select(Blob.key).where(Blob.sha256 == blob.sha256)).first() == blob.key


def _heal(blob: Blob, etag: str) -> Finding:
    """Record that what was found damaged is whole."""
    with transaction() as session:
        current = session.get(Blob, blob.sha256, with_for_update=True, populate_existing=True)
        if current is not None and current.key == blob.key and current.damage is not None:
            damage.repair(session, current, key=blob.key, etag=etag, actor=SYSTEM)
    return Finding("repaired", f"sha256:{blob.sha256}", f"{blob.key} was found {blob.damage}, and is whole", harm=False)


def _compare(blobs: Sequence[Blob], store: Store, *, deep: bool, mark: bool) -> Iterator[tuple[Blob, Finding]]:
    with ThreadPoolExecutor(max_workers=THREADS) as pool:
        stats = list(pool.map(store.stat, [blob.key for blob in blobs]))
    for blob, stat in zip(blobs, stats, strict=True):
        name = f"sha256:{blob.sha256}"
        if stat is None:
            yield blob, Finding("missing", name, f"there is no object {blob.key}", harm=True)
        elif stat.size != blob.size:
            yield blob, Finding("size", name, f"{blob.key} has {stat.size} bytes, not {blob.size}", harm=True)
        elif deep or (mark and blob.damage in DAMAGED):
            if problem := _corrupt(blob, store):
                yield blob, Finding("corrupt", name, problem, harm=True)
            elif mark and blob.damage in DAMAGED:
                yield blob, _heal(blob, stat.etag)
        elif blob.damage in DAMAGED:
            detail = f"{blob.key} was found {blob.damage} when it was last read; --deep reads it again"
            yield blob, Finding("corrupt", name, detail, harm=True)


def _corrupt(blob: Blob, store: Store) -> str | None:
    try:
        actual, _ = store.digest(blob.key)
    except BlobsMissing:
        return f"there is no object {blob.key} any more"
    return None if actual == blob.sha256 else f"{blob.key} holds sha256:{actual}"


def _strays(store: Store) -> Iterator[Finding]:
    unseen: list[str] = []
    for some in garbage_collection.stored(store, unseen=unseen.append):
        with reading() as session:
            strays = garbage_collection.unknown(session, some)
        for key, handle, size in strays:
            if handle:
                detail = f"parts of an upload that nothing refers to ({handle[:40]})"
                yield Finding("unfinished", key, detail, harm=False)
            else:
                yield Finding("stray", key, f"an object of {size} bytes that nothing refers to", harm=False)
    for reason in unseen:
        yield Finding("unlisted", "store", f"objects that nothing refers to were not looked for: {reason}", harm=False)
