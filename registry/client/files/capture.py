"""Facts that are read from the files of a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from registry.client.fields import given
from registry.client.files import scan
from registry.client.files.scan import Hashed
from registry.rules import mlmodel


def from_files(files: Sequence[Hashed]) -> mlmodel.Facts:
    """Read the facts. Raises SourceChanged for a file that was written to since it was hashed."""
    by_path = {file.path: file for file in files}

    def content_of(path: str) -> bytes:
        file = by_path[path]
        with scan.opened(file) as stream:
            content = stream.read()
            scan.unchanged(file, stream)
        return content

    digests = {path: file.sha256 for path, file in by_path.items()}
    return mlmodel.capture(digests, {path: file.size for path, file in by_path.items()}, content_of)


def missing(facts: Any, files: Sequence[Hashed]) -> dict[str, Any]:
    """Return the facts of the files that *facts* do not have."""
    model_facts = from_files(files)
    said: dict[str, Any] = facts.get("environment") or {}
    environment = {**given(python=model_facts.python, lock_digest=model_facts.lock_digest), **given(**said)}
    captured = given(framework=model_facts.framework, signature=model_facts.signature)
    captured = {name: value for name, value in captured.items() if facts.get(name) is None}
    return captured | ({"environment": environment} if environment else {})
