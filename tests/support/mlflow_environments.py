"""Give tests real MLflow, each version in a virtual environment of its own: nothing of it is installed beside us."""

from __future__ import annotations

import shutil
import subprocess
import uuid
from pathlib import Path

from tests.support import tool_environments

MLFLOW = "3.17.2"  # the newest that installs whole
MLFLOW_2 = "2.22.5"
MLFLOW_OLD = "2.9.2"

# Beside an MLflow of its own extras: what a test trains, and the parser whose answers the filter language must give.
_WHOLE = ("scikit-learn", "boto3")
_PARSER = "sqlparse==0.6.1"

_MIGRATE = """
import sys
from mlflow.store.db import utils
utils._initialize_tables(utils.create_sqlalchemy_engine(sys.argv[1]))
"""


def mlflow_python(version: str, *, skinny: bool = False) -> Path:
    """The Python of an environment that holds this MLflow: the whole, server included, or the *skinny* client.

    The first call on a machine takes a minute; the executables ``mlflow`` and ``gunicorn`` lie beside it.
    """
    name = f"mlflow{'-skinny' if skinny else ''}-{version}"
    return tool_environments.environment(name, _requirements(version, skinny=skinny)) / "python"


def new_mlflow_database(path: Path) -> None:
    """Create the newest MLflow's SQLite database at *path*: every table, no row.

    The first call on a machine applies all of MLflow's migrations, which takes seconds; later calls copy its file.
    """
    python = mlflow_python(MLFLOW)
    template = python.parents[1] / "empty.db"
    if not template.exists():
        made = template.with_name(f"{uuid.uuid4().hex}.db")
        subprocess.run([python, "-W", "ignore", "-c", _MIGRATE, f"sqlite:///{made}"], check=True, capture_output=True)
        made.replace(template)  # whole or absent, also where several workers make it at once
    shutil.copyfile(template, path)


def _requirements(version: str, *, skinny: bool) -> tuple[str, ...]:
    needed = (_PARSER, "setuptools<81") if version == MLFLOW_OLD else (_PARSER,)  # it imports pkg_resources
    return (f"mlflow-skinny=={version}", *needed) if skinny else (f"mlflow=={version}", *needed, *_WHOLE)
