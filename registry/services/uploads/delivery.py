"""Registrations that bring their bytes: first the bytes are stored, then the version refers to them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from functools import partial

from registry.domain.access import Actor, Permission
from registry.domain.errors import AlreadyExists, Conflict, Invalid, UploadMismatch
from registry.domain.registrations import Registration
from registry.domain.stages import Lifecycle
from registry.domain.states import ARRIVED
from registry.services.catalog import registration as registrations
from registry.services.catalog.registration import Registered
from registry.services.idempotency import Claim
from registry.services.uploads import announcement, completion, ingest
from registry.services.uploads.announcement import AnnouncedFile, UploadLimits
from registry.storage.checked import Store


def register(
    model: str,
    registration: Registration,
    *,
    actor: Actor,
    store: Store,
    limits: UploadLimits,
    protected: Collection[str],
    lifecycle: Lifecycle,
    claim: Claim | None = None,
) -> Registered:
    """Store the contents of the registration, complete its uploads, then register the version.

    Each step is a transaction and can be repeated. A refused version leaves bytes that nothing refers to, as uploads
    do; the collector deletes them. Raises what ``catalog.registration.register`` raises, NotFound for an unknown
    upload, Invalid or UploadMismatch for other contents than the files', and why an upload is not complete.
    """
    delivery = registration.delivery
    if delivery.contents or delivery.uploads:
        actor.require(Permission.FILE_UPLOAD)
    if delivery.contents:
        _store_contents(registration, actor=actor, store=store, limits=limits)
    if delivery.uploads:
        _complete(delivery.uploads, actor=actor, store=store)
    attempt = partial(
        registrations.register,
        model,
        registration,
        actor=actor,
        protected=protected,
        lifecycle=lifecycle,
        claim=claim,
    )
    try:
        return attempt()
    except AlreadyExists:
        if not delivery.create_model:
            raise
        return attempt()  # another request may have created the model at the same time


def _store_contents(registration: Registration, *, actor: Actor, store: Store, limits: UploadLimits) -> None:
    """Store the contents, after a check of all of them."""
    if (total := sum(map(len, registration.delivery.contents.values()))) > limits.inline:
        text = f"has {total} bytes, more than {limits.inline} (REGISTRY_INLINE_BYTES): upload them before"
        raise Invalid.field("contents", text)
    sizes = {file.sha256: file.size for file in registration.files}
    for sha256, content in registration.delivery.contents.items():
        if sha256 not in sizes:
            raise Invalid.field("contents", f"has bytes with the SHA-256 {sha256}, which no file has")
        if len(content) != sizes[sha256]:
            raise Invalid.field("contents", f"has {len(content)} bytes for {sha256}, not {sizes[sha256]}")
        announcement.require_size(len(content), limits.size)
        if (actual := hashlib.sha256(content).hexdigest()) != sha256:
            raise UploadMismatch(f"sha256:{sha256} was announced, the contents have sha256:{actual}")
    blobs = {AnnouncedFile(sha256, len(content)): content for sha256, content in registration.delivery.contents.items()}
    ingest.store_contents(blobs, owner=actor, store=store)


def _complete(uploads: Collection[str], *, actor: Actor, store: Store) -> None:
    """Complete the uploads. Raises why the first of those that are not complete is not."""
    done = completion.complete_many(list(dict.fromkeys(uploads)), actor=actor, store=store)
    for item in done.items:
        if item.upload.state not in ARRIVED:
            upload = item.upload
            refusal = item.refusal or Conflict(f"it is {upload.state}; announce the bytes again")
            text = f"the upload {upload.id} of sha256:{upload.sha256}: {refusal.detail}"
            raise type(refusal)(text, **refusal.extras)
