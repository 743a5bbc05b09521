"""Detection of the run and the code of a registration, from CI systems, orchestrators and git."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from registry.client.detect import ci, git
from registry.client.detect.addresses import public_repository
from registry.client.files.paths import working_directory
from registry.rules import lineage_limits

if TYPE_CHECKING:
    from registry.client.types import Code, Run

__all__ = ["Detected", "around", "public_repository"]


@dataclass(frozen=True, slots=True)
class Detected:
    """``run`` and ``code`` as the API takes them, None where unknown; ``problem`` is why there is no commit."""

    run: Run | None = None
    code: Code | None = None
    problem: str | None = None


def around(source: Path, *, environ: Mapping[str, str] | None = None, cwd: Path | None = None) -> Detected:
    """Return what is known about this process and the files at *source*.

    The variables of a CI system come first; git is run where they name no commit. Runs git for at most 10 seconds for
    each of its commands.
    """
    job = ci.job(os.environ if environ is None else environ)
    run, code = (job.described(), job.code()) if job else (None, None)
    if code and code.get("commit"):
        return Detected(run, code)
    git_code, problem = git.describe(source, cwd or working_directory())
    if git_code is None:
        return Detected(run, code, problem)
    if job and job.branch and "branch" not in git_code:
        git_code["branch"] = job.branch[: lineage_limits.ID_LENGTH]  # checkouts of CI systems are detached
    return Detected(run, git_code)
