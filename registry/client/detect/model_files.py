"""Facts that are read from the files of a model."""

from __future__ import annotations

from collections.abc import Sequence

from registry.client.detect.captures import Capture
from registry.client.fields import given
from registry.client.files import scan
from registry.client.files.scan import Hashed
from registry.rules import mlmodel


def captures(files: Sequence[Hashed]) -> list[Capture]:
    """Return the facts of the files, by the file that has them.

    Raises SourceChanged for a file that was written to since it was hashed.
    """
    by_path = {file.path: file for file in files}

    def content_of(path: str) -> bytes:
        file = by_path[path]
        with scan.opened(file) as stream:
            content = stream.read()
            scan.unchanged(file, stream)
        return content

    digests = {path: file.sha256 for path, file in by_path.items()}
    facts = mlmodel.capture(digests, {path: file.size for path, file in by_path.items()}, content_of)
    pins = next((name for name in mlmodel.PINS if name in digests), "")
    model = given(framework=facts.framework, signature=facts.signature, environment=given(python=facts.python))
    return [Capture(mlmodel.NAME, model), Capture(pins, {"environment": given(lock_digest=facts.lock_digest)})]
