"""A new version from files: hash, upload what is missing, then register. Bytes first, the reference last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypedDict

from registry.client import credential_files, errors, pointers, sending, sources
from registry.client.catalog import Models, Versions
from registry.client.fields import given
from registry.client.imports import Imports
from registry.client.progress import Progress
from registry.client.selection import Selection
from registry.client.transport import Transport
from registry.client.types import Code, Dataset, Environment, ImportView, Parent, RegisteredView, Run
from registry.rules import paths


class Origin(TypedDict, total=False):
    """MLflow's words for where a version came from."""

    source: str | None
    run_link: str | None
    logged_model: str | None


class Facts(TypedDict, total=False):
    """What may be registered with the files; None says nothing, like leaving it out.

    ``number`` and ``claimed``, what another registry gave and said, need the permission ``version:import``.
    """

    description: str | None
    tags: Mapping[str, str] | None
    params: Mapping[str, str] | None
    metrics: Mapping[str, float] | None
    framework: str | None
    signature: Mapping[str, Any] | None
    run: Run | None
    code: Code | None
    environment: Environment | None
    datasets: Sequence[Dataset] | None
    parents: Sequence[Parent] | None
    aliases: Sequence[str] | None
    origin: Origin | None
    number: int | None
    claimed: Mapping[str, Any] | None


class Sent(TypedDict):
    """How many files the version has, how many of them had to be sent, and the bytes that went for it."""

    files: int
    sent: int
    sent_bytes: int


class Dropped(TypedDict):
    """Paths of empty directories and of executable files; files whose names Windows cannot hold are kept."""

    empty_directories: list[str]
    executable_bits: list[str]
    not_on_windows: list[str]


class Registered(RegisteredView):
    """The registry's answer, what was uploaded for it, and what the version does not hold of the directory.

    ``ignored`` are the paths that the default patterns left out, ``dropped`` what a version cannot hold: empty
    directories, and the bit that makes a file executable.
    """

    uploads: Sent
    ignored: list[str]
    dropped: Dropped


def register(  # noqa: PLR0913 -- options of one command, all of them named
    transport: Transport,
    model: str,
    source: Path,
    facts: Facts,
    *,
    selection: Selection,
    allow_secrets: bool,
    follow_links: bool,
    update: bool,
    new_version: bool,
    jobs: int,
    idempotency_key: str | None,
    progress: Progress | None,
) -> Registered:
    """Register the files at *source* as a version of *model*, making the model if there is none."""
    noticed = sources.Noticed()
    found = sources.scan(source, selection, follow_links=follow_links, noticed=noticed)
    pointers.refuse(found)
    if not allow_secrets:
        credential_files.refuse(found)
    files = sources.hashed(found, jobs=jobs, progress=progress, parts=True)
    body = {**request_body(files, facts), **given(update=update or None, anew=new_version or None)}
    sent = sending.send(transport, files, jobs=jobs, progress=progress)
    _ensure_model(Models(transport), model)
    view = Versions(transport).register(model, body, idempotency_key=idempotency_key)
    uploaded: Sent = {"files": len(files), "sent": sent.files, "sent_bytes": sent.size}
    dropped: Dropped = {
        "empty_directories": sorted(noticed.empty),
        "executable_bits": sorted(noticed.executable),
        "not_on_windows": [file.path for file in files if paths.unportable(file.path)],
    }
    return {**view, "uploads": uploaded, "ignored": sorted(noticed.ignored), "dropped": dropped}


def import_from(
    transport: Transport, model: str, source: str, facts: Facts, *, update: bool, idempotency_key: str | None
) -> ImportView:
    """Have the registry copy the files below *source*, making the model if there is none."""
    _ensure_model(Models(transport), model)
    body = {"source": source, **_said(facts), **given(update=update or None)}
    return Imports(transport).start(model, body, idempotency_key=idempotency_key)


def request_body(files: Sequence[sources.Hashed], facts: Facts) -> dict[str, Any]:
    """The body of the registering POST: the manifest, and the facts that are given."""
    manifest = [_entry(file) for file in files]
    return {"files": manifest, **_said(facts)}


def _said(facts: Facts) -> dict[str, Any]:
    """The facts that are given, as the request has them."""
    said = given(**facts)
    origin: Origin = said.pop("origin", {})
    return {**said, **given(**origin)}


def _entry(file: sources.Hashed) -> dict[str, Any]:
    """No media type: guessing one depends on the machine, and would give the same files another manifest digest."""
    return {"path": file.path, "size": file.size, "sha256": file.sha256}


def _ensure_model(models: Models, name: str) -> None:
    """Make the model unless there is one. A deleted one stays deleted: registering must not revive a name unasked."""
    try:
        models.get(name)
    except errors.NotFound:
        with suppress(errors.AlreadyExists):  # another job may be faster
            models.create(name)
