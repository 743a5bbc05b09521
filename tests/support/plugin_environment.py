"""An MLflow environment in which this checkout is installed too, as for a user of the plugin."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.forked_processes import Forked, mlflow_server
from tests.support.mlflow_environments import mlflow_python
from tests.support.processes import environment

ROOT = Path(__file__).parents[2]
PATIENCE = 240
# What the client and the command line need and MLflow has not; and what MLflow 2.9 took for granted.
_NEEDS = ("pathspec", "platformdirs", "rich", "click", "PyYAML", "requests", "setuptools<81")


@dataclass(frozen=True)
class PluginEnvironment:
    """``python`` sees MLflow and the registry's wheel; programs run in ``folder``, which is also their home."""

    python: Path
    folder: Path

    def run(self, program: str, *arguments: str, **variables: str) -> Any:
        """The last line that a program prints, which is JSON; it must succeed."""
        done = self._run("-c", program, *arguments, **variables)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return json.loads(done.stdout.splitlines()[-1])

    def registry(self, *arguments: str, **variables: str) -> tuple[int, str, str]:
        """Exit code, output and errors of one command line."""
        done = self._run("-m", "registry.cli.main", *arguments, **variables)
        return done.returncode, done.stdout, done.stderr

    def begin_registry(self, *arguments: str, **variables: str) -> Forked:
        """Start one command line and return, without its output."""
        with Path(os.devnull).open("r+b") as nothing:
            return mlflow_server(self.python).start(
                ["-m", "registry.cli.main", *arguments],
                cwd=self.folder,
                env=self._environment(variables),
                streams=[nothing.fileno()] * 3,
            )

    def _run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        env = self._environment(variables)
        return mlflow_server(self.python).run(*arguments, cwd=self.folder, env=env, timeout=PATIENCE)

    def _environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        return {
            **environment(),
            "HOME": str(self.folder),
            "XDG_CONFIG_HOME": str(self.folder / "config"),
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
            "GIT_PYTHON_REFRESH": "quiet",
            **variables,
        }


def plugin_environment(
    folder: Path, version: str, *, skinny: bool = False, home: Path | None = None
) -> PluginEnvironment:
    """Build this checkout's wheel and install it beside that MLflow, in *folder*, unless that has been done.

    Tests that run at the same time may share the folder; each has then a *home* of its own.
    """
    home = home or folder / "home"
    home.mkdir(parents=True, exist_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "install.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        python = folder / "venv" / "bin" / "python"
        if not (folder / "complete").exists():
            _install(folder, python, mlflow_python(version, skinny=skinny))
            (folder / "complete").touch()
    return PluginEnvironment(python, home)


def _install(folder: Path, python: Path, theirs: Path) -> None:
    uv, venv = (sys.executable, "-m", "uv"), folder / "venv"
    for command in (
        [*uv, "build", "--quiet", "--wheel", "--out-dir", str(folder / "dist"), str(ROOT)],
        [*uv, "venv", "--quiet", "--python", sys.executable, str(venv)],
        [*uv, "pip", "install", "--quiet", "--python", str(python), *_NEEDS],
    ):
        subprocess.run(command, check=True, stdout=sys.stderr)
    (wheel,) = (folder / "dist").glob("*.whl")
    install = [*uv, "pip", "install", "--quiet", "--no-deps", "--python", str(python), str(wheel)]
    subprocess.run(install, check=True, stdout=sys.stderr)
    (site,) = venv.glob("lib/python*/site-packages")
    (there,) = theirs.parents[1].glob("lib/python*/site-packages")
    (site / "mlflow.pth").write_text(f"{there}{os.linesep}")
