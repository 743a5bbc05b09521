"""Detection of facts of a registration: the run and the code from CI systems, orchestrators and git; data from DVC;
what a model is and derives from, from its files.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from registry.client.detect import ci, git
from registry.client.detect.addresses import public_repository
from registry.client.detect.captures import Capture, DataOrigin, FoundFacts, Joined, join
from registry.client.errors import SourceChanged
from registry.client.files.paths import working_directory
from registry.rules import lineage_limits

if TYPE_CHECKING:
    from registry.client.files.scan import Hashed
    from registry.client.types import Code, Dataset, Run

__all__ = [
    "Capture",
    "DataOrigin",
    "Detected",
    "Detection",
    "FoundFacts",
    "Joined",
    "around",
    "facts_of",
    "join",
    "origin",
    "public_repository",
]


@dataclass(frozen=True, slots=True)
class Detected:
    """``run`` and ``code`` as the API takes them, None where unknown; ``problem`` is why there is no commit.

    ``code_source`` is the system that named the code.
    """

    run: Run | None = None
    code: Code | None = None
    problem: str | None = None
    code_source: str = "git"

    def captures(self) -> list[Capture]:
        """Return the run and the code as captures."""
        problem = (f"the commit is not recorded: {self.problem}",) if self.problem else ()
        run = [Capture(self.run["system"], {"run": self.run})] if self.run else []
        code = [Capture(self.code_source, {"code": self.code}, problem)] if self.code or problem else []
        return run + code


Detection = bool | Literal["files"] | Detected
"""What is detected: all, nothing, facts of the model's files alone, or all but a run and a code that are known."""


def origin(source: Path, detection: Detection) -> Detected:
    """Return the run and the code of a registration of *source*, as *detection* has it."""
    if isinstance(detection, Detected):
        return detection
    return around(source) if detection is True else Detected()


def facts_of(
    source: Path,
    files: Sequence[Hashed],
    detection: Detection,
    *,
    code: Code | None,
    datasets: Sequence[Dataset],
) -> list[Capture]:
    """Return what is known about the model at *source*, of which *files* are registered.

    *code* and *datasets* are those that the caller states. A capture that fails is a warning. Raises SourceChanged for
    a file that was written to since it was hashed.
    """
    if detection is False:
        return []
    # Only a registration needs them.
    from registry.client.detect import dvc, lock_files, model_facts, model_files

    if detection == "files":
        return list(model_files.captures(files, with_run=False))
    cwd = working_directory()
    return [
        *lock_files.among(files),
        *model_files.captures(files, with_run=True),
        *_guarded("the files", partial(model_facts.captures, files, cwd)),
        *_guarded("DVC", partial(dvc.capture, source, datasets)),
        *_guarded("lock files", partial(_lock_files_around, source, cwd, code)),
    ]


def _lock_files_around(source: Path, cwd: Path, code: Code | None) -> list[Capture]:
    """Return the file that pins the environment in the checkout here, unless *code* has another commit."""
    from registry.client.detect import lock_files

    captures = list(lock_files.around(source, cwd))
    commit = code.get("commit") if code else None
    if not captures or commit is None:
        return captures
    here = around(source, cwd=cwd).code
    return captures if here and here.get("commit") == commit else []


def _guarded(name: str, read: Callable[[], Iterable[Capture]]) -> list[Capture]:
    try:
        return list(read())
    except SourceChanged:
        raise
    except Exception as error:  # a document of any form must not fail the registration of a model
        return [Capture(name, warnings=(f"nothing is taken from {name}: {type(error).__name__}: {error}",))]


def around(source: Path, *, environ: Mapping[str, str] | None = None, cwd: Path | None = None) -> Detected:
    """Return what is known about this process and the files at *source*.

    The variables of a CI system come first; git is run where they name no commit. Runs git for at most 10 seconds for
    each of its commands.
    """
    job = ci.job(os.environ if environ is None else environ)
    run, code = (job.described(), job.code()) if job else (None, None)
    if code and code.get("commit"):
        return Detected(run, code, code_source=job.system if job else "")
    git_code, problem = git.describe(source, cwd or working_directory())
    if git_code is None:
        return Detected(run, code, problem)
    if job and job.branch and "branch" not in git_code:
        git_code["branch"] = job.branch[: lineage_limits.ID_LENGTH]  # checkouts of CI systems are detached
    return Detected(run, git_code)
