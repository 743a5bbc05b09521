"""Facts that ``MLmodel`` and the files that pin the environment state. MLflow's clients and imports record the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from registry.client.detect.captures import Capture
from registry.client.fields import given
from registry.client.files import scan
from registry.client.files.scan import Hashed
from registry.rules import mlmodel


def captures(files: Sequence[Hashed], *, with_run: bool) -> Iterator[Capture]:
    """Yield the facts of the files, by the file that has them; *with_run*, also the run that ``MLmodel`` names.

    Raises SourceChanged for a file that was written to since it was hashed.
    """
    by_path = {file.path: file for file in files}
    sizes = {path: file.size for path, file in by_path.items()}
    digests = {path: file.sha256 for path, file in by_path.items()}
    facts = mlmodel.capture(digests, sizes, lambda path: scan.content(by_path[path]))
    run = {"system": "mlflow", "id": facts.run_id, "stated_by": mlmodel.NAME} if with_run and facts.run_id else None
    warnings = (f"nothing of {mlmodel.NAME} is recorded: {facts.problem}",) if facts.problem else ()
    stated = given(framework=facts.framework, signature=facts.signature, run=run)
    yield Capture(mlmodel.NAME, stated, warnings=warnings)
    if facts.python_file:
        yield Capture(facts.python_file, {"environment": {"python": facts.python}})
    if pins := next((name for name in mlmodel.PINS if name in digests), None):
        yield Capture(pins, {"environment": {"lock_digest": facts.lock_digest}})
