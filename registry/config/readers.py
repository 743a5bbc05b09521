"""Readers of settings that are more than a number, a switch or a text.

Each function takes the environment, the name of the setting and the settings that were read before.
"""

from __future__ import annotations

import importlib.util
import os
import re
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from registry.config import tracking
from registry.config.environment import ProcessEnvironment
from registry.config.rules import postgres_options_problem, several_hosts_problem, storage_url_problem
from registry.config.secret import Secret, own_secret
from registry.config.tracking import Tracking
from registry.domain import log_keys

Values = Mapping[str, Any]
SECRET_LENGTH = 32
METRICS_TOKEN_LENGTH = 16
_OTLP = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_PORT = re.compile(r"[0-9]{1,5}\Z")
_ADVICE = "python3 -c 'import secrets; print(secrets.token_urlsafe(48))' makes one"
_LOG_KEY_ADVICE = "python3 -c 'import secrets; print(secrets.token_hex(32))' makes one"


def data_dir(environment: ProcessEnvironment, _name: str, _values: Values) -> Path:
    """Return the data directory, which the environment has for all others."""
    return environment.data_dir


def database_url(environment: ProcessEnvironment, name: str, _values: Values) -> Secret:
    """Return the URL of the database with the driver's name; by default SQLite's in the data directory."""
    url = environment.text(name) or embedded_database(environment)
    scheme = url.split(":", 1)[0]
    if scheme not in {"sqlite", "postgresql", "postgresql+psycopg"}:
        environment.note(name, "must begin with sqlite:/// or postgresql://")
    if url.startswith("sqlite") and not url.startswith("sqlite:////"):
        environment.note(name, "must name a file by its absolute path: sqlite:////…")
    if url.startswith("sqlite") and "?" in url:
        environment.note(name, "must name a file without a question mark in its path")
    if scheme != "sqlite" and (problem := postgres_options_problem(url)):
        environment.note(name, problem)
    if environment.dev and scheme != "sqlite":
        environment.note(name, "--dev has no login and keeps to SQLite; leave this out, or --dev")
    if not environment.create and url.startswith("sqlite:////") and not environment.problems:
        _require_file(environment, Path(url.removeprefix("sqlite:///")))
    return Secret("postgresql+psycopg" + url.removeprefix("postgresql") if scheme == "postgresql" else url)


def database_replica_url(environment: ProcessEnvironment, name: str, values: Values) -> Secret | None:
    """Return the URL of the read replica with the driver's name; None without one."""
    url = environment.text(name)
    if url is None:
        return None
    scheme, _, rest = url.partition(":")
    if scheme not in {"postgresql", "postgresql+psycopg"}:
        environment.note(name, "must begin with postgresql://")
    elif uses_sqlite(values):
        environment.note(name, "needs PostgreSQL in REGISTRY_DATABASE_URL, whose replica it names")
    elif problem := postgres_options_problem(url) or several_hosts_problem(url):
        environment.note(name, problem)
    return Secret(f"postgresql+psycopg:{rest}")


def embedded_database(environment: ProcessEnvironment) -> str:
    """Return the URL of the database in the data directory."""
    return f"sqlite:///{environment.data_dir / 'registry.db'}"


def is_embedded(environment: ProcessEnvironment, values: Values) -> bool:
    """Return whether the database is the one in the data directory."""
    url: Secret = values["database_url"]
    return url.reveal() == embedded_database(environment)


def uses_sqlite(values: Values) -> bool:
    """Return whether the database is SQLite's."""
    url: Secret = values["database_url"]
    return url.reveal().startswith("sqlite")


def transfers(values: Values) -> int:
    """Return how many threads of a process large uploads and downloads may take: half of them."""
    threads: int = values["threads"]
    return max(1, threads // 2)


def database_prepared(environment: ProcessEnvironment, name: str, _values: Values) -> bool | None:
    """Return None for prepared statements where there is no pooler in between."""
    text = environment.choice(name, ("auto", "true", "false"), "auto")
    return None if text == "auto" else text == "true"


def storage_url(environment: ProcessEnvironment, name: str, _values: Values) -> str:
    """Return the URL of the store; by default that of a directory below the data directory."""
    default = (environment.data_dir / "artifacts").as_uri()
    return environment.checked(name, environment.text(name) or default, storage_url_problem)


def secret_key(environment: ProcessEnvironment, name: str, values: Values) -> Secret:
    """Return the secret key; with SQLite it is kept in the data directory unless the variable has it."""
    text = environment.text(name)
    if text is None and uses_sqlite(values):
        return Secret("" if environment.problems else _kept_secret_key(environment))
    if text is None:
        environment.problems.setdefault("REGISTRY_SECRET_KEY", "must be set, the same for every replica: " + _ADVICE)
    elif len(text) < SECRET_LENGTH:
        environment.note(name, f"must have {SECRET_LENGTH} characters or more: {_ADVICE}")
    return Secret(text or "")


def previous_keys(environment: ProcessEnvironment, name: str, _values: Values) -> tuple[Secret, ...]:
    """Return the earlier secret keys, each once."""
    keys = (environment.text(name) or "").split()
    if any(len(key) < SECRET_LENGTH for key in keys):
        environment.note(
            name, f"must be earlier keys of {SECRET_LENGTH} characters or more, separated by spaces or lines"
        )
    return tuple(map(Secret, dict.fromkeys(keys)))


def log_key(environment: ProcessEnvironment, name: str, values: Values) -> Secret | None:
    """Return the key that signs checkpoints of the audit log; None where this process has none.

    With SQLite it is kept in the data directory unless the variable has it. A process that may not make files there
    (``create``) does without a file that is missing: only sealing needs the key.
    """
    text = environment.text(name)
    if text is None and uses_sqlite(values) and not environment.problems:
        return _kept_log_key(environment)
    if text is None:
        return None
    try:
        log_keys.seed(text)
    except ValueError as error:
        environment.note(name, f"must be {error}: {_LOG_KEY_ADVICE}")
    if text in {secret.reveal() for secret in (values["secret_key"], *values["secret_key_previous"])}:
        environment.note(name, f"must not be the secret key, which the web processes have: {_LOG_KEY_ADVICE}")
    return Secret(text)


def previous_log_keys(environment: ProcessEnvironment, name: str, values: Values) -> tuple[Secret, ...]:
    """Return the earlier log keys that sign as well, each once."""
    texts = (environment.text(name) or "").split()
    try:
        for text in texts:
            log_keys.seed(text)
    except ValueError as error:
        environment.note(name, f"must be earlier log keys, separated by spaces or lines; each is {error}")
        return ()
    if texts and values["log_key"] is None and not environment.problems:
        environment.note(name, "needs the present key in REGISTRY_LOG_KEY")
    return tuple(map(Secret, dict.fromkeys(texts)))


def tracking_servers(environment: ProcessEnvironment, name: str, _values: Values) -> tuple[Tracking, ...]:
    """Return the upstream MLflow tracking servers."""
    text = environment.text(name)
    try:
        return tracking.parse(text) if text else ()
    except ValueError as error:
        environment.note(name, str(error))
        return ()


def tracing(environment: ProcessEnvironment, name: str, _values: Values) -> bool:
    """Return whether there are traces; refuse at the start what would only be noticed when they are needed."""
    is_wanted = environment.flag(name, default=False)
    if is_wanted and not _installed("opentelemetry.exporter.otlp.proto.http"):
        environment.note(name, "needs the extra otel: in a checkout, pip install '.[server,otel]'")
    elif is_wanted and not any(os.environ.get(variable) for variable in _OTLP):
        environment.note(name, f"needs {_OTLP[0]}, where the traces go to")
    return is_wanted


def metrics_token(environment: ProcessEnvironment, name: str, _values: Values) -> Secret | None:
    """Return the token of /metrics."""
    token = environment.text(name)
    if token is None:
        return None
    if len(token) < METRICS_TOKEN_LENGTH or not re.fullmatch(r"[!-~]+", token):
        environment.note(name, f"must have {METRICS_TOKEN_LENGTH} or more visible ASCII characters: {_ADVICE}")
    return Secret(token)


def bind_problem(bind: str, *, dev: bool) -> str | None:
    """Return why the service cannot listen on *bind*."""
    host, _, port = bind.rpartition(":")
    if not host or not _PORT.match(port) or int(port) > 65_535:
        return "must be HOST:PORT"
    if dev and host.strip("[]") not in {"127.0.0.1", "localhost", "::1"}:
        return "--dev has no login and must stay on the loopback address (127.0.0.1, localhost or [::1])"
    return None


def make_data_dir(environment: ProcessEnvironment) -> None:
    """Make the directory of the embedded database, also where no key is kept in it."""
    try:
        environment.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        text = f"{environment.data_dir} cannot be made: {error.strerror}"
        environment.note("data_dir", f"{text}; name another (--data-dir), or let this user write")


def _require_file(environment: ProcessEnvironment, path: Path) -> None:
    """Refuse a missing database: a command in the wrong directory must not make another registry."""
    if not path.exists():
        made = "registry serve --dev or registry db upgrade makes a new one"
        environment.note(
            "data_dir" if path == environment.data_dir / "registry.db" else "database_url",
            f"there is no registry at {path}: set the directory in which registry serve keeps it (--data-dir or "
            f"REGISTRY_DATA_DIR), or its REGISTRY_DATABASE_URL; {made}",
        )


def _kept_secret_key(environment: ProcessEnvironment) -> str:
    path = environment.data_dir / "secret-key"
    secret = _kept(environment, path, "secret key", lambda: secrets.token_urlsafe(48))
    if secret is None and not environment.problems:
        environment.note(
            "secret_key",
            f"is not set, and there is no {path}: set REGISTRY_DATA_DIR as for registry serve, whose key is there",
        )
    if secret is not None and len(secret) < SECRET_LENGTH:
        environment.note(
            "secret_key",
            f"the file {path} has fewer than {SECRET_LENGTH} characters: restore it, or remove it for a new one, "
            "which voids every token",
        )
    return secret or ""


def _kept_log_key(environment: ProcessEnvironment) -> Secret | None:
    path = environment.data_dir / "log-key"
    text = _kept(environment, path, "log key", lambda: secrets.token_hex(log_keys.SEED_BYTES))
    if text is None:
        return None
    try:
        log_keys.seed(text)
    except ValueError as error:
        environment.note(
            "log_key",
            f"the file {path} does not have {error}: restore it, or remove it for a new one, whose verifier key "
            "auditors must be given",
        )
    return Secret(text)


def _kept(environment: ProcessEnvironment, path: Path, what: str, generate: Callable[[], str]) -> str | None:
    """Return the secret in a file of the data directory; None without one where it must not be made, or cannot."""
    if environment.create:
        make_data_dir(environment)
    if environment.problems:
        return None
    try:
        return own_secret(path, generate) if environment.create or path.exists() else None
    except (OSError, ValueError) as error:
        environment.note("data_dir", f"cannot keep the {what} in {path}: {error}")
        return None


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # one of the packages around it
        return False
