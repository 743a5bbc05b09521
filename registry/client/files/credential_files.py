"""Refusal of files that hold credentials: a version can be read by many, and cannot be edited."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from registry.client.errors import HoldsCredentials
from registry.client.files import scan
from registry.client.files.scan import Found
from registry.client.files.selection import IGNORE_FILE
from registry.rules import credentials
from registry.rules.listing import listed


def refuse(files: Sequence[Found]) -> None:
    """Raise HoldsCredentials, which names the files, when any of *files* holds credentials."""
    credential_files = list(_held(files))
    if not credential_files:
        return
    raise HoldsCredentials(
        f"these files hold credentials: {listed([f'{path} ({kind})' for path, kind in credential_files])}. "
        "Every reader of the version could read them. Leave them out "
        f"(exclude, {IGNORE_FILE}), or allow them (--allow-secrets, allow_secrets=True).",
        extras={"files": dict(credential_files)},
    )


def _held(files: Sequence[Found]) -> Iterator[tuple[str, str]]:
    for file in files:
        if file.size == 0:
            continue
        kind = credentials.by_name(file.path)
        if kind is None and file.size <= credentials.MOST_BYTES:
            with scan.opened(file) as stream:
                kind = credentials.by_content(stream.read(credentials.MOST_BYTES))
        if kind:
            yield file.path, kind
