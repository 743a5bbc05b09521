"""Delivery of a version's bytes and its registration, in as few requests as the registry takes.

====================================== ========================================================================
files that are few and small           one registration, which has the bytes (``contents``)
other files                            announcement, PUTs side by side, one registration that completes the uploads
any, at a registry of an earlier       announcement, PUTs, completion, a look at the model, its creation, registration
release
====================================== ========================================================================

A registry of an earlier release refuses the fields that it does not know (422), a proxy a body that is too large (413).
Nothing was done then: the next way is taken, at once in later registrations. Bytes first, the reference last.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from registry.client import errors
from registry.client.api.models import Models
from registry.client.api.uploads import Uploads
from registry.client.api.versions import Versions
from registry.client.files import scan
from registry.client.files.scan import Hashed
from registry.client.http.transport import Transport
from registry.client.progress import Meter, Progress
from registry.client.transfer import upload
from registry.client.transfer.upload import Arrived, SentFiles
from registry.client.types import RegisteredView
from registry.rules import inline_bytes

CONTENTS, UPLOADS, CREATE_MODEL = "contents", "uploads", "create_model"
_FIELDS = frozenset({CONTENTS, UPLOADS, CREATE_MODEL})
_TOO_LARGE = 413


def register(
    transport: Transport,
    model: str,
    body: Mapping[str, Any],
    files: Sequence[Hashed],
    *,
    jobs: int,
    progress: Progress | None,
    idempotency_key: str | None,
) -> tuple[RegisteredView, SentFiles]:
    """Register the version that *body* describes; return the answer, and what was sent of *files*."""
    versions = Versions(transport)
    contents = upload.distinct(files)
    few = inline_bytes.are_few([file.size for file in contents])
    if few and transport.refused_fields.isdisjoint({CONTENTS, CREATE_MODEL}):
        meter = Meter("upload", sum(file.size for file in contents), progress)
        whole = {**body, CONTENTS: _encoded(contents), CREATE_MODEL: True}
        try:
            view = versions.register(model, whole, idempotency_key=idempotency_key)
        except errors.RegistryError as error:
            if not _refuses_fields(transport, error, whole):
                raise
        else:
            meter.advance(sum(file.size for file in contents))
            return view, SentFiles(len(contents), meter.done)
    sent = upload.send(transport, files, jobs=jobs, progress=progress)
    if transport.refused_fields.isdisjoint({UPLOADS, CREATE_MODEL}):
        whole = {**body, UPLOADS: [upload_id for upload_id, _ in sent.arrived], CREATE_MODEL: True}
        try:
            return versions.register(model, whole, idempotency_key=idempotency_key), sent
        except errors.RegistryError as error:
            if not _refuses_fields(transport, error, whole):
                _name_incomplete(transport, sent.arrived, error)
                raise
    upload.complete(Uploads(transport), sent.arrived)
    _ensure_model(Models(transport), model)
    return versions.register(model, body, idempotency_key=idempotency_key), sent


def exists(models: Models, name: str) -> bool:
    """Return whether there is the model, live or deleted; a deleted one that never had anything in it is none."""
    try:
        model = models.get(name)
    except errors.NotFound:
        return False
    used = model.get("latest_version", 0) is not None or model.get("description") or model.get("tags")
    return model.get("state") != "deleted" or bool(used)


def _encoded(files: Sequence[Hashed]) -> dict[str, str]:
    """Return the bytes of the files as the API takes them. Raises SourceChanged."""
    return {file.sha256: b64encode(_content(file)).decode("ascii") for file in files}


def _content(file: Hashed) -> bytes:
    with scan.opened(file) as stream:
        content = stream.readall()
        scan.unchanged(file, stream)
    return content


def _refuses_fields(transport: Transport, error: errors.RegistryError, body: Mapping[str, Any]) -> bool:
    """Return whether fields of the delivery, or the size of the contents, were refused, and note which."""
    refused = set[str]()
    if error.status == _TOO_LARGE:
        refused |= {CONTENTS} & body.keys()
    elif isinstance(error, errors.Invalid) and isinstance(wrong := error.extras.get("errors"), Mapping):
        refused |= _FIELDS & body.keys() & wrong.keys()
    transport.refused_fields |= refused
    return bool(refused)


def _name_incomplete(transport: Transport, arrived: Arrived, error: errors.RegistryError) -> None:
    """Raise the error of the file whose upload is not complete, where that is why the registration was refused."""
    if isinstance(error, errors.UploadMismatch | errors.UploadExpired) or type(error) is errors.Conflict:
        upload.complete(Uploads(transport), arrived)


def _ensure_model(models: Models, name: str) -> None:
    """Make the model unless there is one. A deleted one stays deleted: registering must not revive a name unasked."""
    if not exists(models, name):
        with suppress(errors.AlreadyExists):  # another job may be faster
            models.create(name)
