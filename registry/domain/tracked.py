"""The origin of a version as MLflow's clients state it, as far as a tracking server could have it: no network."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from registry.rules import paths

RUN_ID = re.compile(r"[0-9a-f]{32}\Z")
LOGGED_MODEL_ID = re.compile(r"m-[0-9a-f]{32}\Z")
_PROXY_PATH = "/api/2.0/mlflow-artifacts/artifacts"
_ODD = re.compile(r"[\x00-\x1f\x7f\\?#%]")


@dataclass(frozen=True, slots=True)
class Subject:
    """Source of a version on a tracking server: a logged model, or the files at *path* of a run.

    With a *location*, the client's claim has to be checked: the files must be there.
    """

    logged_model: str | None = None
    run_id: str | None = None
    path: str = ""
    location: str | None = None


def subject_of(source: str, *, run_id: str | None, logged_model: str | None) -> Subject | None:
    """Return the subject of a version's source for a tracking server; None where no tracking server can have it."""
    run_id = run_id if run_id and RUN_ID.match(run_id) else None
    logged_model = logged_model if logged_model and LOGGED_MODEL_ID.match(logged_model) else None
    if source.startswith("models:/"):
        named = source.removeprefix("models:/")
        return Subject(logged_model=named, run_id=run_id) if LOGGED_MODEL_ID.match(named) else None
    if source.startswith("runs:/"):
        named, _, path = source.removeprefix("runs:/").partition("/")
        path = path.strip("/")
        if not RUN_ID.match(named) or run_id not in {None, named} or paths.containment_problem(path):
            return None
        return Subject(run_id=named, path=path)
    if not _is_remote(source):
        return None
    # These are how MLflow calls the folders; a source that is elsewhere has nothing to do with the run.
    if logged_model and source.rstrip("/").endswith(f"/models/{logged_model}/artifacts"):
        return Subject(logged_model=logged_model, run_id=run_id, location=source)
    if run_id and f"/{run_id}/artifacts/" in f"{source}/":
        return Subject(run_id=run_id, location=source)
    return None


def below(location: str, root: str) -> str | None:
    """Return the path of *location* below *root*, "" for the root itself; None if it is not below, or is ambiguous."""
    location, root = location.rstrip("/"), root.rstrip("/")
    if location == root:
        return ""
    path = location.removeprefix(f"{root}/")
    return None if path == location or "%" in path or paths.containment_problem(path) else path


def proxied(location: str, url: str) -> str | None:
    """Return the path under which the tracking server at *url* hands out what is at *location*; None where it does not.

    ``mlflow-artifacts:/1/r/artifacts`` is at every server's own ``1/r/artifacts``. Raises ValueError for a place on
    another server than this one.
    """
    parts, own = urlsplit(location), urlsplit(url)
    if parts.scheme not in {"mlflow-artifacts", "http", "https"}:
        return None
    path = parts.path
    if parts.scheme != "mlflow-artifacts":
        prefix = f"{own.path.rstrip('/')}{_PROXY_PATH}/"
        if (parts.scheme, parts.netloc.lower()) != (own.scheme, own.netloc.lower()) or not path.startswith(prefix):
            raise ValueError("it is on another server")
        path = path.removeprefix(prefix)
    elif parts.netloc.lower() not in {"", own.netloc.lower()}:
        raise ValueError("it is on another server")
    path = path.strip("/")
    if _ODD.search(location) or paths.containment_problem(path):
        raise ValueError("it can be read in two ways")
    return path


def _is_remote(source: str) -> bool:
    with suppress(ValueError):
        parts = urlsplit(source)
        return bool(parts.scheme) and parts.scheme not in {"file", "runs", "models"} and len(parts.scheme) > 1
    return False
