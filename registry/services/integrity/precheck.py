"""Checks that a version's bytes are in the store, before production depends on them."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue

import structlog
from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from registry.db.fixed_statements import FixedStatement
from registry.db.models import Blob, Model, Version, VersionFile
from registry.db.queries import catalog
from registry.db.session import look_up, reading, transaction
from registry.domain.errors import BlobsMissing, BytesUnchecked, ForeignStore, NotReady, RegistryError, Unavailable
from registry.domain.states import VersionState
from registry.services.audit import row_seals
from registry.services.integrity import damage, store_ownership
from registry.services.integrity.damage import DAMAGED
from registry.storage.checked import Store
from registry.storage.driver import Stat

log = structlog.get_logger(__name__)
THREADS = 8
SILENT_SECONDS = 5.0  # after which a store that answers none of the requests counts as one that does not answer
# Of earlier checks, whose threads are idle: to start a thread takes longer than to look at a file.
_idle_pools: deque[ThreadPoolExecutor] = deque(maxlen=THREADS)
UNCHECKED = (
    "the stored files of {}:{} were not checked: the artifact store was not called, or did not answer. "
    "A worker reads them as soon as it answers"
)


def require_bytes(store: Store, model: str, number: int, *, note: bool = True) -> None:
    """Raise BlobsMissing when an object of the version is gone, damaged or has another size.

    Raises BytesUnchecked when the store gives no answer for ``SILENT_SECONDS``, or fails. With *note* the scrubber
    looks at what is wrong next.
    """
    blobs = _blobs_of_version(model, number)
    try:
        _require_present(store, _stats(store, blobs), blobs, model, number, note=note)
    except ForeignStore:
        raise
    except Unavailable as error:
        raise BytesUnchecked(
            f"production is unchanged: the artifact store does not answer, so the files of {model}:{number} cannot be "
            f"checked ({error.detail}). Mend the store, or roll back without this check: registry rollback "
            "--without-store-check, in the API without_store_check: true. That needs the role responder"
        ) from error


def require_undamaged(model: str, number: int) -> None:
    """Require whole bytes as :func:`require_bytes` does, by the database alone, without a request to the store."""
    blobs = _blobs_of_version(model, number)
    if damaged := [blob.sha256 for blob in blobs if blob.damage in DAMAGED]:
        raise _damaged(damaged, model, number)


def check_soon(model: str, number: int) -> None:
    """Let the scrubber read the version's objects before all others of production."""
    with transaction() as session:
        damage.look_soon(
            session, [blob.sha256 for blob in _stored(session, catalog.any_version(session, model, number))]
        )


def refuse_damaged(store: Store, model: str, number: int, *, note: bool = True) -> str | None:
    """Require whole bytes as :func:`require_bytes` does, and read those again that were written to since verification.

    For more bytes than can be read during a request it raises NotReady; a worker reads them. A store that does not
    respond is no proof of damage: the bytes were verified, and the result is a warning. When it reports a later write
    and does not let the bytes be read, Unavailable is raised.
    """
    blobs = _blobs_of_version(model, number)
    try:
        stats = _stats(store, blobs)
    except Unavailable as error:
        log.warning("integrity_unchecked", model=model, version=number, reason=error.detail)
        return UNCHECKED.format(model, number)
    _require_present(store, stats, blobs, model, number, note=note)
    touched = [blob for blob in blobs if (stat := stats[blob.sha256]) and _is_touched(blob, stat)]
    if sum(blob.size for blob in touched) > store.read_at_once:
        _tell(touched, note=note)
        raise NotReady(
            f"{len(touched)} of the files of {model}:{number} were written to since they were verified; a worker "
            "reads them again now. Try again in a while"
        )
    if wrong := [blob for blob in touched if not _is_whole(blob, store)]:
        _tell(wrong, note=note)
        raise _damaged([blob.sha256 for blob in wrong], model, number)
    return None


def _is_touched(blob: Blob, stat: Stat) -> bool:
    """Return whether the object is not known to be the one that was verified."""
    if blob.seal is not None and not row_seals.is_true(
        blob.seal, row_seals.blob_leaf(blob.sha256, blob.size, blob.key, blob.etag)
    ):
        return True
    return blob.etag not in {None, stat.etag}


def _is_whole(blob: Blob, store: Store) -> bool:
    try:
        return store.digest(blob.key)[0] == blob.sha256
    except BlobsMissing:
        return False


def _stats(store: Store, blobs: Sequence[Blob]) -> Mapping[str, Stat | None]:
    """Request the state of every object. Raises Unavailable at the first failure, or after too long a wait."""
    answers: SimpleQueue[tuple[str, Stat | RegistryError | None]] = SimpleQueue()

    def ask(blob: Blob) -> None:
        try:
            answers.put((blob.sha256, store.stat(blob.key)))
        except RegistryError as error:
            answers.put((blob.sha256, error))

    stats: dict[str, Stat | None] = {}
    try:
        pool = _idle_pools.pop()
    except IndexError:
        pool = ThreadPoolExecutor(max_workers=THREADS)
    try:
        for blob in blobs:
            pool.submit(ask, blob)
        while len(stats) < len(blobs):
            sha256, answer = answers.get(timeout=SILENT_SECONDS)
            if isinstance(answer, RegistryError):
                raise answer
            stats[sha256] = answer
    except Empty:
        # Each hanging request counts as one failure, so that the circuit breaker opens as if they had failed.
        for _ in range(min(THREADS, len(blobs) - len(stats))):
            store.gave_no_answer()
        raise Unavailable(f"it has been silent for {SILENT_SECONDS:.0f} s") from None
    finally:
        if len(stats) == len(blobs):
            _idle_pools.append(pool)
        else:
            pool.shutdown(wait=False, cancel_futures=True)  # a request that hangs ends by the driver's own timeout
    return stats


def _require_present(
    store: Store, stats: Mapping[str, Stat | None], blobs: Sequence[Blob], model: str, number: int, *, note: bool
) -> None:
    wrong = [
        blob
        for blob in blobs
        if (stat := stats[blob.sha256]) is None or stat.size != blob.size or blob.damage in DAMAGED
    ]
    if wrong:
        store_ownership.require(store)  # in another registry's store nothing of ours can be expected
        _tell(wrong, note=note)
        raise _damaged([blob.sha256 for blob in wrong], model, number)


def _damaged(wrong: Sequence[str], model: str, number: int) -> BlobsMissing:
    return BlobsMissing(
        f"{len(wrong)} of the files of {model}:{number} are gone from the store or are not what they were; "
        "production needs a version whose bytes are whole",
        missing=sorted(wrong),
    )


def _tell(blobs: Sequence[Blob], *, note: bool) -> None:
    if note:
        with transaction() as session:
            damage.suspect(session, blobs)


def _blobs_of_version(model: str, number: int) -> Sequence[Blob]:
    """Return the blobs of a ready version; none of another, which no stage takes anyway.

    Raises NotFound, or BlobsMissing.
    """
    rows = look_up(_FILES, model=model, number=number)
    if not rows:
        with reading() as session:
            catalog.any_version(session, model, number)  # one without files, or none
    if gone := [row.file for row in rows if row.sha256 is None]:
        raise _damaged(gone, model, number)
    return rows


_FILES = FixedStatement(
    select(Blob.__table__, VersionFile.sha256.label("file"))
    .select_from(Version)
    .join(Model, Model.id == Version.model_id)
    .join(VersionFile, VersionFile.version_id == Version.id)
    .outerjoin(Blob, Blob.sha256 == VersionFile.sha256)
    .where(
        Model.name == bindparam("model"),
        Version.number == bindparam("number"),
        Version.state == VersionState.READY.value,
    )
    .distinct()
)


def _stored(session: Session, version: Version) -> Sequence[Blob]:
    files = select(VersionFile.sha256).where(VersionFile.version_id == version.id)
    return session.scalars(select(Blob).where(Blob.sha256.in_(files)).execution_options(populate_existing=True)).all()
