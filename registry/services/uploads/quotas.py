"""Quotas of open uploads for each account: they take room in the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, literal_column, select

from registry.db import times
from registry.db.models import Upload
from registry.db.session import reading
from registry.domain.access import Actor
from registry.domain.errors import Conflict


@dataclass(frozen=True, slots=True)
class Quota:
    """Open uploads of one account: how many, and of how many declared bytes together."""

    uploads: int
    bytes: int


def require_room(sizes: Sequence[int], *, actor: Actor, quota: Quota) -> None:
    """Raise Conflict unless *actor* may open uploads of these sizes, too.

    Requests at the same time do not count each other: together they may exceed the quota by what they announce.
    """
    if not sizes:
        return
    open_ = select(func.count(), func.coalesce(func.sum(Upload.size), 0)).where(
        # A literal: with a parameter, a prepared plan cannot use the partial index of open uploads.
        Upload.created_by == actor.id,
        Upload.state == literal_column("'pending'"),
        Upload.expires_at > times.now(),
    )
    with reading() as session:
        count, total = session.execute(open_).one()
    advice = "complete or abort some, or wait until they expire (REGISTRY_UPLOAD_EXPIRY)"
    if count + len(sizes) > quota.uploads:
        raise Conflict(
            f"{actor.name} has {count} open uploads, {len(sizes)} more exceed REGISTRY_OPEN_UPLOADS ({quota.uploads}): "
            f"{advice}"
        )
    if total + sum(sizes) > quota.bytes:
        raise Conflict(
            f"{actor.name} has open uploads of {total} bytes, {sum(sizes)} more exceed REGISTRY_OPEN_UPLOAD_BYTES "
            f"({quota.bytes}): {advice}"
        )
