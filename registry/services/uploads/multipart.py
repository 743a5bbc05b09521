"""An upload in parts: signed addresses for them, and which of them have arrived."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import update
from sqlalchemy.orm import Session

from registry.db import times
from registry.db.models import Upload
from registry.db.session import reading
from registry.domain.access import Actor
from registry.domain.errors import Conflict, Invalid
from registry.domain.states import ARRIVED, UploadState
from registry.rules import part_sizes
from registry.services.idempotency import Claim, Outcome
from registry.services.unit_of_work import unit_of_work
from registry.services.uploads import announcement
from registry.services.uploads.announcement import UploadLimits
from registry.storage.checked import Store
from registry.storage.driver import Missing, Part, Target

LISTED = 100


@dataclass(frozen=True, slots=True)
class SignedPart:
    """Target of part *number*, whose length is *size* bytes."""

    number: int
    size: int
    target: Target | None


@dataclass(frozen=True, slots=True)
class SignedParts:
    items: Sequence[SignedPart]


@dataclass(frozen=True, slots=True)
class ArrivedParts:
    """The numbers of the parts that the store has whole."""

    part_size: int
    part_count: int
    finished: Sequence[int]


def sign(
    upload_id: str,
    digests: Mapping[int, str],
    *,
    actor: Actor,
    store: Store,
    limits: UploadLimits,
    claim: Claim | None = None,
) -> SignedParts:
    """Return URLs for parts, by number with the SHA-256 of each, and extend the upload's life.

    May be repeated. Raises NotFound, Conflict, UploadExpired, or Invalid for a number out of range.
    """
    with reading() as session:
        upload = announcement.find(session, upload_id, actor.id)
    part_size, handle = _in_parts(upload)
    announcement.refuse_closed(upload, now=times.now())
    count = part_sizes.part_count(upload.size, part_size)
    if wrong := [number for number in digests if not 1 <= number <= count]:
        raise Invalid.field("parts", f"this upload has the parts 1 to {count}, no {wrong[0]}")
    deadline = announcement.url_deadline(upload, limits)
    signed = []
    for number, sha256 in digests.items():
        length = part_sizes.part_length(number, upload.size, part_size)
        target = store.sign_part(upload.key, handle, number, sha256=sha256, size=length, expires_at=deadline)
        signed.append(SignedPart(number, length, target))
    with unit_of_work(claim) as unit:
        _prolong(unit.session, upload, limits)
        unit.remember(parts=[[part.number, part.size] for part in signed])
        return SignedParts(signed)


def recall(outcome: Outcome) -> SignedParts:
    """Return the parts that an earlier request named, without targets: they are credentials, which are not kept."""
    return SignedParts([SignedPart(number, size, None) for number, size in outcome["parts"]])


def arrived(upload_id: str, *, actor: Actor, store: Store) -> ArrivedParts:
    """Return the parts that an interrupted client need not send again.

    Raises NotFound, or Conflict for one without parts.
    """
    with reading() as session:
        upload = announcement.find(session, upload_id, actor.id)
    part_size, handle = _in_parts(upload)
    count = part_sizes.part_count(upload.size, part_size)
    if upload.state != UploadState.PENDING:
        return ArrivedParts(part_size, count, list(range(1, count + 1)) if upload.state in ARRIVED else [])
    try:
        return ArrivedParts(part_size, count, whole(upload, store.parts(upload.key, handle)))
    except Missing:  # joined by a request that came no further: completing it again does the rest
        joined = store.stat(upload.key) is not None
        return ArrivedParts(part_size, count, list(range(1, count + 1)) if joined else [])


def whole(upload: Upload, parts: Sequence[Part]) -> list[int]:
    """Return the numbers of the parts that have the length that they should have."""
    part_size, _ = _in_parts(upload)
    count = part_sizes.part_count(upload.size, part_size)
    return [
        part.number
        for part in parts
        if part.number <= count and part.size == part_sizes.part_length(part.number, upload.size, part_size)
    ]


def join(upload: Upload, *, store: Store) -> None:
    """Join the parts to one object. Raises Conflict while parts are missing.

    An upload that the store no longer has was joined by an earlier request that was interrupted.
    """
    part_size, handle = _in_parts(upload)
    try:
        arrived = set(whole(upload, store.parts(upload.key, handle)))
        lacking = set(range(1, part_sizes.part_count(upload.size, part_size) + 1)) - arrived
        if lacking and store.stat(upload.key) is None:
            raise Conflict(
                f"{len(lacking)} of the upload's parts have not arrived; send them, then complete it",
                missing_parts=sorted(lacking)[:LISTED],
            )
        if not lacking:
            store.join_parts(upload.key, handle)
    except Missing:
        return


def _in_parts(upload: Upload) -> tuple[int, str]:
    """Return the size of the parts, and the store's handle. Raises Conflict for an upload that is one request."""
    if upload.part_size is None or upload.handle is None:
        raise Conflict("this upload is one request, to its target; it has no parts")
    return upload.part_size, upload.handle


def _prolong(session: Session, upload: Upload, limits: UploadLimits) -> None:
    later = times.now() + timedelta(seconds=limits.upload_expiry)
    pending = update(Upload).where(Upload.id == upload.id, Upload.state == UploadState.PENDING)
    session.execute(pending.values(expires_at=later))
