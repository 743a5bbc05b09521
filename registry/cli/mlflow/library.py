"""MLflow's library, which reads and writes its registries: loaded on use, its failures in one sentence."""

from __future__ import annotations

import logging
import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

PIP = "in a checkout of the registry, pip install '.[mlflow]'"
WHOLE = "pip install mlflow"
PAGE = 100
# What MLflow leaves in a directory into which it has downloaded a version.
NOTES = ("/registered_model_meta",)
IS_PROMPT, PROMPT_TEXT, PROMPT_TYPE = "mlflow.prompt.is_prompt", "mlflow.prompt.text", "_mlflow_prompt_type"
_OF_PROMPTS = f"tags.`{IS_PROMPT}` = 'true'"


class Library:
    """MLflow at *uri*: any that MLflow's own clients take.

    Unless *there*, a database or directory that does not exist yet is created. Raises ClickException when it cannot be
    used.
    """

    def __init__(self, uri: str, *, there: bool) -> None:
        self.uri = shown(uri)
        if there:
            _require_there(uri)
        mlflow = _load()
        with self.explained():
            mlflow.set_tracking_uri(uri)
            mlflow.set_registry_uri(uri)
            self.client: Any = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
        self._artifacts = mlflow.artifacts

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn an exception of MLflow into a sentence, without a traceback."""
        from registry.client.errors import RegistryError

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # MLflow deprecates this call
                yield
        except (click.ClickException, RegistryError):
            raise
        except Exception as error:
            whole = f" Perhaps the whole of MLflow is needed: {WHOLE}" if _is_skinny() else ""
            raise click.ClickException(f"MLflow at {self.uri}: {reason(error)}.{whole}") from error

    def models(self, names: tuple[str, ...]) -> list[Any]:
        """Return the registered models of these names, or all; without prompts."""
        with self.explained():
            if names:
                return [self.client.get_registered_model(name) for name in names]
            return list(_pages(self.client.search_registered_models))

    def prompts(self, names: tuple[str, ...]) -> list[Any]:
        """Return the prompts of these names, or all, as registered models; none where this MLflow has no prompts."""
        if not hasattr(self.client, "register_prompt"):
            return []
        with self.explained():
            entries = _pages(self.client.search_registered_models, filter_string=_OF_PROMPTS)
            return [one for one in entries if not names or one.name in names]

    @staticmethod
    def is_prompt(tags: Mapping[str, str]) -> bool:
        """Return whether these are the tags of a prompt, or of a version of one."""
        return tags.get(IS_PROMPT, "").lower() == "true"

    def versions(self, model: str, *, prompts: bool = False) -> list[Any]:
        """Return a model's versions by number, or a prompt's."""
        quote = '"' if "'" in model else "'"
        filter_text = f"name={quote}{model}{quote}" + (f" AND {_OF_PROMPTS}" if prompts else "")
        with self.explained():
            entries = _pages(self.client.search_model_versions, filter_string=filter_text)
            # MLflow's LIKE-free comparison may still be blind to case, on some of its databases.
            return sorted((one for one in entries if one.name == model), key=lambda one: int(one.version))

    def known(self, get: str, name: str | None) -> Any:
        """Return a run or logged model, or None where there is none."""
        from mlflow.exceptions import MlflowException

        if not name or not hasattr(self.client, get):
            return None
        try:
            return getattr(self.client, get)(name)
        except MlflowException:
            return None

    def peek(self, version: Any) -> None:
        """Raise OSError or MLflow's exception unless the version's files can be listed."""
        location = self._location(version)
        if not list(self._artifacts.list_artifacts(artifact_uri=location)):
            raise FileNotFoundError(f"there is nothing at {shown(location)}")

    @contextmanager
    def files(self, version: Any) -> Iterator[Path]:
        """Provide the version's files while the block runs; local files stay where they are."""
        from mlflow.utils.file_utils import local_file_uri_to_path
        from mlflow.utils.uri import is_local_uri

        location = self._location(version)
        if is_local_uri(location, False) and (here := Path(local_file_uri_to_path(location))).exists():
            yield here
            return
        with tempfile.TemporaryDirectory(prefix="registry-") as folder:
            yield Path(self._artifacts.download_artifacts(artifact_uri=location, dst_path=folder))

    def _location(self, version: Any) -> str:
        return str(self.client.get_model_version_download_uri(version.name, version.version))


def shown(uri: str) -> str:
    """Return *uri* without parts that could be secrets."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        return uri.partition("@")[2] or uri
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=host, query="", fragment="").geturl() if parts.netloc else uri.partition("?")[0]


def reason(error: BaseException) -> str:
    """Return the first line of an exception's text."""
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__).rstrip(".")[:500]


def _load() -> Any:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")  # its own seven take minutes
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import mlflow
            import mlflow.artifacts
    except ImportError as error:
        raise click.ClickException(f"This needs MLflow's own library, which is not installed: {PIP}") from error
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return mlflow


def _is_skinny() -> bool:
    from importlib.util import find_spec

    return find_spec("sqlalchemy") is None or find_spec("sqlparse") is None


def _require_there(uri: str) -> None:
    """Raise UsageError for a directory or file that is not there: MLflow would make an empty registry of it."""
    parts = urlsplit(uri)
    if parts.scheme == "sqlite":
        path = uri.partition(":///")[2].partition("?")[0]
    elif parts.scheme in {"", "file"}:
        path = parts.path
    else:
        return
    if not path or not Path(path).exists():
        raise click.UsageError(
            f"{uri}: there is no {'database' if parts.scheme == 'sqlite' else 'directory'} {path!r}."
        )


def _pages(search: Any, **query: Any) -> Iterator[Any]:
    token: str | None = None
    while True:
        page = search(max_results=PAGE, page_token=token, **query)
        yield from page
        token = page.token
        if not token:
            return
