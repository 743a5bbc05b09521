"""Ask the store whether a version's bytes are still there, before production depends on them."""

from __future__ import annotations

import structlog
from sqlalchemy import select

from registry.db.models import Blob, VersionFile
from registry.db.queries import catalog
from registry.db.session import reading
from registry.domain.errors import BlobsMissing, Unavailable
from registry.storage.checked import Store

log = structlog.get_logger(__name__)


def require_bytes(store: Store, model: str, number: int) -> None:
    """Raise BlobsMissing when an object of the version is gone or has another size; Unavailable if nobody can tell."""
    keys = _keys(model, number)
    wrong = store.absent_or_wrong({key: size for key, (size, _) in keys.items()})
    if wrong:
        raise BlobsMissing(
            f"{len(wrong)} of the files of {model}:{number} are gone from the store or have another size; "
            "production needs a version whose bytes are whole",
            missing=sorted(keys[key][1] for key in wrong),
        )


def refuse_damaged(store: Store, model: str, number: int) -> None:
    """As :func:`require_bytes`, but a store that does not answer is no proof of damage: the bytes were verified."""
    try:
        require_bytes(store, model, number)
    except Unavailable as error:
        log.warning("integrity_unchecked", model=model, version=number, reason=error.detail)


def _keys(model: str, number: int) -> dict[str, tuple[int, str]]:
    with reading() as session:
        found = catalog.any_version(session, model, number)
        rows = session.execute(
            select(Blob.key, Blob.size, Blob.sha256)
            .join(VersionFile, VersionFile.sha256 == Blob.sha256)
            .where(VersionFile.version_id == found.id)
            .distinct()
        )
        return {key: (size, sha256) for key, size, sha256 in rows}
