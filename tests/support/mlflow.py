"""Give tests real MLflow, each version in a virtual environment of its own: nothing of it is installed beside us.

The first user makes an environment with uv, from PyPI; all later ones on this machine share it.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

MLFLOW = "3.17.2"  # the newest that installs whole
MLFLOW_2 = "2.22.5"
MLFLOW_OLD = "2.9.2"

# Beside an MLflow of its own extras: what a test trains, and the parser whose answers the filter language must give.
_WHOLE = ("scikit-learn", "boto3")
_PARSER = "sqlparse==0.6.1"


def mlflow_python(version: str, *, skinny: bool = False) -> Path:
    """The Python of an environment that holds this MLflow: the whole, server included, or the *skinny* client.

    The first call on a machine takes a minute; the executables ``mlflow`` and ``gunicorn`` lie beside it.
    """
    home = _cache_directory() / f"mlflow{'-skinny' if skinny else ''}-{version}"
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (home / "install.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _installed(home / "venv", _requirements(version, skinny=skinny))


def _cache_directory() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "model-registry-tests"


def _requirements(version: str, *, skinny: bool) -> tuple[str, ...]:
    needed = (_PARSER, "setuptools<81") if version == MLFLOW_OLD else (_PARSER,)  # it imports pkg_resources
    return (f"mlflow-skinny=={version}", *needed) if skinny else (f"mlflow=={version}", *needed, *_WHOLE)


def _installed(venv: Path, requirements: tuple[str, ...]) -> Path:
    """A complete environment of just these requirements stays as it is; half of one, or another, is made anew."""
    python, complete = venv / "bin" / "python", venv / "complete"
    wanted = "\n".join(requirements)
    if complete.exists() and complete.read_text() == wanted:
        return python
    uv = (sys.executable, "-m", "uv")
    for command in (
        [*uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(venv)],
        [*uv, "pip", "install", "--quiet", "--python", str(python), *requirements],
    ):
        subprocess.run(command, check=True, stdout=sys.stderr)
    complete.write_text(wanted)
    return python
