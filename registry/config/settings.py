"""The settings: read once from REGISTRY_* variables into one frozen value, every mistake reported at once."""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import environs

from registry.config import tracking
from registry.config.rules import host_problem, http_url_problem, postgres_options_problem, storage_url_problem
from registry.config.secret import Secret, own_secret
from registry.config.tracking import Tracking
from registry.domain import locations, names
from registry.rules import part_sizes
from registry.rules.part_sizes import MIB

PREFIX = "REGISTRY_"
CHECKSUM_MODES = ("when_required", "when_supported")
LIFECYCLES = ("enforced", "open")
MLFLOW_DOWNLOADS = ("registry", "source")
LOG_FORMATS = ("json", "console")
LOG_LEVELS = ("debug", "info", "warning", "error")
BIND = "127.0.0.1:5000"
SECRET_LENGTH = 32
METRICS_TOKEN_LENGTH = 16


class SettingsError(Exception):
    """``problems`` maps each wrong variable to what is wrong with it."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        self.problems = dict(problems)
        super().__init__("\n".join(f"{name}: {text}" for name, text in sorted(problems.items())))


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How this process runs. Sizes are bytes, spans are seconds."""

    dev: bool = False
    data_dir: Path = Path("registry-data")
    database_url: Secret
    database_pool_size: int = 10
    database_prepared: bool | None = None
    storage_url: str
    s3_endpoint_url: str | None = None
    s3_public_endpoint_url: str | None = None
    s3_region: str | None = None
    s3_path_style: bool = True
    s3_checksum_mode: str = "when_required"
    secret_key: Secret = field(default=Secret(""))
    secret_key_previous: tuple[Secret, ...] = ()
    public_url: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    trusted_proxies: int = 0
    token_cache_seconds: int = 5
    login_failures_per_address: int = 20
    login_failures_per_token: int = 10
    login_failures_period: int = 300
    default_lifecycle: str = "enforced"
    protected_aliases: tuple[str, ...] = ()
    max_body_bytes: int = MIB
    max_manifest_bytes: int = 8 * MIB
    max_upload_bytes: int = part_sizes.LARGEST
    single_put_bytes: int = part_sizes.SINGLE_PUT
    part_bytes: int = 16 * MIB
    inline_verify_bytes: int = 64 * MIB
    upload_expiry: int = 86_400
    open_uploads: int = 20_000
    open_upload_bytes: int = 50 * 1024**4
    url_expiry: int = 300
    gc_grace: int = 7 * 86_400
    gc_interval: int = 3600
    purge_retention: int = 30 * 86_400
    scrub_interval: int = 86_400
    import_sources: tuple[str, ...] = ()
    allow_secrets: bool = False
    mlflow_downloads: str = "registry"
    mlflow_tracking: tuple[Tracking, ...] = ()
    drain_seconds: int = 0
    header_seconds: int = 10
    stall_seconds: int = 30
    tracing: bool = False
    metrics_token: Secret | None = None
    metrics_cache_seconds: int = 0
    log_format: str = "json"
    log_level: str = "info"
    bind: str = BIND
    workers: int = 2
    threads: int = 8
    transfers: int = 4

    def secrets(self) -> list[str]:
        """Return what no log may show: the key, and the passwords and tokens of other services."""
        password = urlsplit(self.database_url.reveal()).password
        upstream = [secret for one in self.mlflow_tracking for secret in (one.token, one.password) if secret]
        found = [*self.secret_keys, unquote(password or ""), *(secret.reveal() for secret in upstream)]
        found.append(self.metrics_token.reveal() if self.metrics_token else "")
        return [*found, *(os.environ.get(name, "") for name in _STORE_SECRETS)]

    @property
    def secret_keys(self) -> list[str]:
        """The secret key, and after it the previous ones whose tokens, addresses and seals are still accepted."""
        return [self.secret_key.reveal(), *(secret.reveal() for secret in self.secret_key_previous)]

    @property
    def uses_sqlite(self) -> bool:
        return self.database_url.reveal().startswith("sqlite")

    @classmethod
    def load(
        cls,
        *,
        dev: bool = False,
        data_dir: Path | str | None = None,
        bind: str | None = None,
        host: str | None = None,
        port: int | None = None,
        create: bool = True,
    ) -> Settings:
        """Read the environment; arguments win over variables, *host* and *port* over their part of ``bind``.

        A variable ``REGISTRY_X_FILE`` names a file that holds the value of ``REGISTRY_X``. With *create* the data
        directory and the secret key of the embedded default are made where they are missing; otherwise a SQLite
        database must exist. Raises SettingsError.
        """
        return _Reader(dev=dev, data_dir=data_dir, bind=bind, host=host, port=port, create=create).settings()


VARIABLES = frozenset(f"{PREFIX}{item.name.upper()}" for item in fields(Settings) if item.name != "dev")
# Read by the command line and its client, not by the service; see registry.client and registry.cli.
CLIENT_VARIABLES = frozenset({
    "REGISTRY_URL", "REGISTRY_TOKEN", "REGISTRY_INSECURE", "REGISTRY_RETRY_SECONDS", "REGISTRY_CA_FILE",
    "REGISTRY_DATABASE_APP_ROLE", "REGISTRY_DATABASE_APP_PASSWORD",
})  # fmt: skip


class _Reader:
    """Reads each variable, collecting what is wrong instead of stopping at the first mistake."""

    def __init__(
        self,
        *,
        dev: bool,
        data_dir: Path | str | None,
        bind: str | None,
        host: str | None,
        port: int | None,
        create: bool,
    ) -> None:
        self.env = environs.FileAwareEnv(prefix=PREFIX, strip_whitespace=True)
        self.problems: dict[str, str] = {}
        self.dev = dev
        self.create = create
        self.data_dir = Path(data_dir or self.text("data_dir") or "registry-data").absolute()
        self.bind = _bound(bind or self.text("bind") or BIND, host, port)

    def settings(self) -> Settings:
        self._refuse_unknown()
        database_url = self.text("database_url") or f"sqlite:///{self.data_dir / 'registry.db'}"
        storage_url = self.text("storage_url") or (self.data_dir / "artifacts").as_uri()
        found: dict[str, Any] = {
            "dev": self.dev,
            "data_dir": self.data_dir,
            "database_url": Secret(self._database_url(database_url)),
            "database_pool_size": self.number("database_pool_size", 10, least=1, most=200),
            "database_prepared": self._prepared(),
            "storage_url": self.checked("storage_url", storage_url, storage_url_problem),
            "s3_endpoint_url": self.url("s3_endpoint_url"),
            "s3_public_endpoint_url": self.url("s3_public_endpoint_url"),
            "s3_region": self.text("s3_region"),
            "s3_path_style": self.flag("s3_path_style", default=True),
            "s3_checksum_mode": self.choice("s3_checksum_mode", CHECKSUM_MODES, "when_required"),
            "public_url": self.url("public_url"),
            "allowed_hosts": self.hosts("allowed_hosts"),
            "trusted_proxies": self.number("trusted_proxies", 0, least=0, most=10),
            "token_cache_seconds": self.number("token_cache_seconds", 5, least=0, most=300),
            "login_failures_per_address": self.number("login_failures_per_address", 20, least=0, most=1_000_000),
            "login_failures_per_token": self.number("login_failures_per_token", 10, least=0, most=1_000_000),
            "login_failures_period": self.number("login_failures_period", 300, least=1, most=86_400),
            "default_lifecycle": self.choice("default_lifecycle", LIFECYCLES, "enforced"),
            "protected_aliases": self.listed("protected_aliases", names.alias_problem),
            "max_body_bytes": self.number("max_body_bytes", MIB, least=1024, most=64 * MIB),
            "max_manifest_bytes": self.number("max_manifest_bytes", 8 * MIB, least=1024, most=64 * MIB),
            "max_upload_bytes": self.number("max_upload_bytes", part_sizes.LARGEST, least=1, most=part_sizes.LARGEST),
            "single_put_bytes": self.number(
                "single_put_bytes", part_sizes.SINGLE_PUT, least=part_sizes.LEAST_PART, most=1024 * MIB
            ),
            "part_bytes": self.number("part_bytes", part_sizes.PART, least=part_sizes.LEAST_PART, most=1024 * MIB),
            "inline_verify_bytes": self.number("inline_verify_bytes", 64 * MIB, least=0, most=1024 * MIB),
            "open_uploads": self.number("open_uploads", 20_000, least=1, most=1_000_000),
            "open_upload_bytes": self.number("open_upload_bytes", 50 * 1024**4, least=1, most=2**53),
            "upload_expiry": self.number("upload_expiry", 86_400, least=1, most=7 * 86_400),
            "url_expiry": self.number("url_expiry", 300, least=1, most=86_400),
            "gc_grace": self.number("gc_grace", 7 * 86_400, least=0, most=365 * 86_400),
            "gc_interval": self.number("gc_interval", 3600, least=60, most=30 * 86_400),
            "purge_retention": self.number("purge_retention", 30 * 86_400, least=0, most=3650 * 86_400),
            "scrub_interval": self.number("scrub_interval", 86_400, least=60, most=365 * 86_400),
            "import_sources": self.listed("import_sources", locations.problem),
            "allow_secrets": self.flag("allow_secrets", default=False),
            "mlflow_downloads": self.choice("mlflow_downloads", MLFLOW_DOWNLOADS, "registry"),
            "mlflow_tracking": self.tracking("mlflow_tracking"),
            "drain_seconds": self.number("drain_seconds", 0 if self.dev else 5, least=0, most=600),
            "header_seconds": self.number("header_seconds", 10, least=1, most=600),
            "stall_seconds": self.number("stall_seconds", 30, least=1, most=3600),
            "tracing": self._tracing(),
            "metrics_token": self._metrics_token(),
            "metrics_cache_seconds": self.number("metrics_cache_seconds", 5, least=0, most=60),
            "log_format": self.choice("log_format", LOG_FORMATS, "console" if self.dev else "json"),
            "log_level": self.choice("log_level", LOG_LEVELS, "info"),
            "bind": self.checked("bind", self.bind, self._bind_problem),
            "workers": self.number("workers", 1 if database_url.startswith("sqlite") else 2, least=1, most=64),
            "threads": self.number("threads", 8, least=1, most=256),
        }
        found["transfers"] = self.number("transfers", max(1, found["threads"] // 2), least=1, most=256)
        found["secret_key"] = self._secret_key(database_url)
        found["secret_key_previous"] = self._previous_keys()
        if self.create and not self.problems and database_url == f"sqlite:///{self.data_dir / 'registry.db'}":
            self._make_data_dir()
        if self.problems:
            raise SettingsError(self.problems)
        return Settings(**found)

    def read(self, name: str, read: Callable[[str, Any], Any], default: Any) -> Any:
        try:
            return read(name.upper(), default)
        except (ValueError, environs.EnvError) as error:
            self.problems[f"{PREFIX}{name.upper()}"] = str(error)
            return default

    def text(self, name: str) -> str | None:
        return self.read(name, self.env.str, None) or None

    def number(self, name: str, default: int, *, least: int, most: int) -> int:
        value = int(self.read(name, self.env.int, default))
        if not least <= value <= most:
            self.problems[f"{PREFIX}{name.upper()}"] = f"must be {least} to {most}, not {value}"
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        return bool(self.read(name, self.env.bool, default))

    def hosts(self, name: str) -> tuple[str, ...]:
        given = (self.text(name) or "").lower().split(",")
        return tuple(self.checked(name, host.strip(), host_problem) for host in given if host.strip())

    def listed(self, name: str, rule: Callable[[str], str | None]) -> tuple[str, ...]:
        """The values of a list with commas, each by the *rule*."""
        given = (self.text(name) or "").split(",")
        return tuple(self.checked(name, value.strip(), rule) for value in given if value.strip())

    def tracking(self, name: str) -> tuple[Tracking, ...]:
        text = self.text(name)
        try:
            return tracking.parse(text) if text else ()
        except ValueError as error:
            self.problems[f"{PREFIX}{name.upper()}"] = str(error)
            return ()

    def choice(self, name: str, choices: tuple[str, ...], default: str) -> str:
        return self.checked(
            name, self.text(name) or default, lambda value: None if value in choices else f"must be {_or(choices)}"
        )

    def url(self, name: str) -> str | None:
        value = self.text(name)
        return self.checked(name, value.rstrip("/"), http_url_problem) if value else None

    def checked(self, name: str, value: str, rule: Callable[[str], str | None]) -> str:
        if problem := rule(value):
            shown = "" if "@" in value else f", not {value!r}"  # before an @ there may be a password
            self.problems[f"{PREFIX}{name.upper()}"] = problem + shown
        return value

    def _refuse_unknown(self) -> None:
        known = VARIABLES | CLIENT_VARIABLES
        for name in os.environ:
            if not name.startswith(PREFIX) or name.startswith(_KUBERNETES):
                continue
            if name not in known and name.removesuffix("_FILE") not in known:
                self.problems[name] = "is not a setting; deploy/docs/settings.md lists them all"

    def _database_url(self, url: str) -> str:
        scheme = url.split(":", 1)[0]
        if scheme not in {"sqlite", "postgresql", "postgresql+psycopg"}:
            self.problems[f"{PREFIX}DATABASE_URL"] = "must begin with sqlite:/// or postgresql://"
        if url.startswith("sqlite") and not url.startswith("sqlite:////"):
            self.problems[f"{PREFIX}DATABASE_URL"] = "must name a file by its absolute path: sqlite:////…"
        if url.startswith("sqlite") and "?" in url:
            self.problems[f"{PREFIX}DATABASE_URL"] = "must name a file without a question mark in its path"
        if scheme != "sqlite" and (problem := postgres_options_problem(url)):
            self.problems[f"{PREFIX}DATABASE_URL"] = problem
        if self.dev and scheme != "sqlite":
            self.problems[f"{PREFIX}DATABASE_URL"] = "--dev has no login and keeps to SQLite; leave this out, or --dev"
        if not self.create and url.startswith("sqlite:////") and not self.problems:
            self._require_file(Path(url.removeprefix("sqlite:///")))
        return "postgresql+psycopg" + url.removeprefix("postgresql") if scheme == "postgresql" else url

    def _prepared(self) -> bool | None:
        """None: repeated statements are prepared where no pooler stands between."""
        wanted = self.choice("database_prepared", ("auto", "true", "false"), "auto")
        return None if wanted == "auto" else wanted == "true"

    def _require_file(self, path: Path) -> None:
        """Refuse a database that is not there: a command in the wrong directory must not make another registry."""
        if not path.exists():
            made = "registry serve --dev or registry db upgrade makes a new one"
            name = "DATA_DIR" if path == self.data_dir / "registry.db" else "DATABASE_URL"
            self.problems[f"{PREFIX}{name}"] = (
                f"there is no registry at {path}: set the directory in which registry serve keeps it (--data-dir or "
                f"REGISTRY_DATA_DIR), or its REGISTRY_DATABASE_URL; {made}"
            )

    def _tracing(self) -> bool:
        """Asking for traces and not getting any would be found out when they are needed."""
        wanted = self.flag("tracing", default=False)
        if wanted and not _installed("opentelemetry.exporter.otlp.proto.http"):
            self.problems[f"{PREFIX}TRACING"] = "needs the extra otel: in a checkout, pip install '.[server,otel]'"
        elif wanted and not any(os.environ.get(name) for name in _OTLP):
            self.problems[f"{PREFIX}TRACING"] = f"needs {_OTLP[0]}, where the traces go to"
        return wanted

    def _metrics_token(self) -> Secret | None:
        token = self.text("metrics_token")
        if token is None:
            return None
        if len(token) < METRICS_TOKEN_LENGTH or not re.fullmatch(r"[!-~]+", token):
            self.problems[f"{PREFIX}METRICS_TOKEN"] = (
                f"must have {METRICS_TOKEN_LENGTH} or more visible ASCII characters: {_ADVICE}"
            )
        return Secret(token)

    def _bind_problem(self, bind: str) -> str | None:
        host, _, port = bind.rpartition(":")
        if not host or not _PORT.match(port) or int(port) > 65_535:
            return "must be HOST:PORT"
        if self.dev and host.strip("[]") not in {"127.0.0.1", "localhost", "::1"}:
            return "--dev has no login and must stay on the loopback address (127.0.0.1, localhost or [::1])"
        return None

    def _secret_key(self, database_url: str) -> Secret:
        given = self.text("secret_key")
        if given is None and database_url.startswith("sqlite"):
            return Secret("" if self.problems else self._kept_secret(self.data_dir / "secret-key"))
        if given is None:
            self.problems.setdefault(f"{PREFIX}SECRET_KEY", "must be set, the same for every replica: " + _ADVICE)
        elif len(given) < SECRET_LENGTH:
            self.problems[f"{PREFIX}SECRET_KEY"] = f"must have {SECRET_LENGTH} characters or more: {_ADVICE}"
        return Secret(given or "")

    def _previous_keys(self) -> tuple[Secret, ...]:
        found = (self.text("secret_key_previous") or "").split()
        if any(len(key) < SECRET_LENGTH for key in found):
            self.problems[f"{PREFIX}SECRET_KEY_PREVIOUS"] = (
                f"must be earlier keys of {SECRET_LENGTH} characters or more, separated by spaces or lines"
            )
        return tuple(map(Secret, dict.fromkeys(found)))

    def _make_data_dir(self) -> None:
        """Make the directory of the embedded database, also where no key is kept in it."""
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            self.problems[f"{PREFIX}DATA_DIR"] = (
                f"{self.data_dir} cannot be made: {error.strerror}; name another (--data-dir), or let this user write"
            )

    def _kept_secret(self, path: Path) -> str:
        try:
            found = own_secret(path) if self.create or path.exists() else None
        except (OSError, ValueError) as error:
            self.problems[f"{PREFIX}DATA_DIR"] = f"cannot keep the secret key in {path}: {error}"
            return ""
        if found is None:
            self.problems[f"{PREFIX}SECRET_KEY"] = (
                f"is not set, and there is no {path}: set REGISTRY_DATA_DIR as for registry serve, whose key is there"
            )
            return ""
        if len(found) < SECRET_LENGTH:
            self.problems[f"{PREFIX}SECRET_KEY"] = (
                f"the file {path} has fewer than {SECRET_LENGTH} characters: restore it, or remove it for a new one, "
                "which voids every token"
            )
        return found


_OTLP = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
# Kubernetes sets these in every pod beside a Service that is called "registry".
_KUBERNETES = ("REGISTRY_PORT", "REGISTRY_SERVICE_")
_STORE_SECRETS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")  # boto3's own variables
_PORT = re.compile(r"[0-9]{1,5}\Z")
_ADVICE = "python3 -c 'import secrets; print(secrets.token_urlsafe(48))' makes one"


def _bound(bind: str, host: str | None, port: int | None) -> str:
    """Return HOST:PORT with the parts that are given in place of those of *bind*."""
    present, _, number = bind.rpartition(":")
    if host and ":" in host and not host.startswith("["):
        host = f"[{host}]"
    return f"{host or present}:{port or number}" if host or port else bind


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # one of the packages around it
        return False


def _or(choices: tuple[str, ...]) -> str:
    return " or ".join(choices)
