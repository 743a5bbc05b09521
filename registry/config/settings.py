"""The settings: read once from REGISTRY_* variables into one frozen value, every mistake reported at once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from registry.config import readers
from registry.config.client_settings import CLIENT_VARIABLES
from registry.config.declarations import (
    byte_count,
    choice,
    declarations,
    flag,
    number,
    read_all,
    setting,
    text,
    texts,
    url,
)
from registry.config.environment import PREFIX, ProcessEnvironment, variable
from registry.config.rules import host_problem
from registry.config.secret import Secret
from registry.config.tracking import Tracking
from registry.domain import locations
from registry.rules import inline_bytes, names, part_sizes
from registry.rules.database_positions import LONGEST_LAG
from registry.rules.part_sizes import MIB

CHECKSUM_MODES = ("when_required", "when_supported")
LIFECYCLES = ("enforced", "open")
MLFLOW_DOWNLOADS = ("registry", "source")
LOG_FORMATS = ("json", "console")
LOG_LEVELS = ("debug", "info", "warning", "error")
BIND = "127.0.0.1:5000"


class SettingsError(Exception):
    """``problems`` maps each wrong variable to what is wrong with it."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        self.problems = dict(problems)
        super().__init__("\n".join(f"{name}: {text}" for name, text in sorted(problems.items())))


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of this process. Sizes are bytes, spans are seconds.

    Each line declares a setting: its default, its limits and its row on the page of settings (``deploy/docs``).
    """

    dev: bool = False
    data_dir: Path = setting(
        readers.data_dir,
        Path("registry-data"),
        default_text="`registry-data`",
        about="where the embedded default keeps its database, files and keys",
    )
    database_url: Secret = setting(
        readers.database_url,
        default_text="SQLite in the data directory",
        about="`postgresql://user:password@host/db` with [options](postgresql.md), or `sqlite:////absolute/path`",
    )
    database_pool_size: int = number(10, least=1, most=200, about="connections of each process")
    database_prepared: bool | None = setting(
        readers.database_prepared,
        None,
        default_text="`auto`",
        about="`false`: no prepared statements, for [a pooler](postgresql.md) that is not noticed",
    )
    database_replica_url: Secret | None = setting(
        readers.database_replica_url,
        None,
        default_text="none",
        about="a PostgreSQL streaming replica of that database, one server, [for reads](postgresql.md#a-read-replica)",
    )
    database_replica_max_lag: int = number(
        5, least=1, most=LONGEST_LAG, about="seconds that the replica may be behind; otherwise reads go to the primary"
    )
    database_replica_mlflow: bool = flag(
        False, about="let MLflow clients read from the replica; what they have just written may be missing"
    )
    storage_url: str = setting(
        readers.storage_url,
        default_text="a directory below the data directory",
        about="`file:///absolute/path` or `s3://bucket/prefix`",
    )
    s3_endpoint_url: str | None = url(
        default_text="AWS", about="an S3-compatible server; keys come from where boto3 finds them"
    )
    s3_public_endpoint_url: str | None = url(
        default_text="the endpoint", about="how clients reach that server, if not the same way"
    )
    s3_region: str | None = text(default_text="boto3's", about="the region of the bucket")
    s3_path_style: bool = flag(True, about="bucket in the path, not in the host name")
    s3_checksum_mode: str = choice("when_required", CHECKSUM_MODES, about="or `when_supported`: boto3's own checksums")
    secret_key: Secret = setting(
        readers.secret_key,
        Secret(""),
        default_text="made in the data directory for SQLite",
        about="32 characters or more, the same for every replica; signs URLs and hashes tokens",
        is_last=True,
    )
    secret_key_previous: tuple[Secret, ...] = setting(
        readers.previous_keys,
        (),
        default_text="none",
        about="earlier keys, separated by spaces, whose tokens, addresses and seals [are still accepted](keys.md)",
    )
    log_key: Secret | None = setting(
        readers.log_key,
        None,
        default_text="made in the data directory for SQLite",
        about="32 random bytes as 64 hex digits or in base 64, for `registry worker` only; [signs the audit log]"
        "(keys.md#the-log-key)",
        is_last=True,
    )
    log_key_previous: tuple[Secret, ...] = setting(
        readers.previous_log_keys,
        (),
        default_text="none",
        about="earlier log keys, separated by spaces, that [sign as well](keys.md#the-log-key)",
        is_last=True,
    )
    web: bool = flag(True, about="`false`: no web interface, and `/` leads to `/docs`")
    public_url: str | None = url(default_text="the request's host", about="how clients reach the service")
    allowed_hosts: tuple[str, ...] = texts(
        host_problem, lower=True, default_text="any", about="host names that it answers to, with commas"
    )
    trusted_proxies: int = number(0, least=0, most=10, about="how many proxies in front may set `X-Forwarded-*`")
    token_cache_seconds: int = number(
        5,
        least=0,
        most=300,
        about="how long a process lets a token read models without a query of the database; other requests query it",
    )
    login_failures_per_address: int = number(
        20,
        least=0,
        most=1_000_000,
        about="failed logins in a period from one IPv4 address or IPv6 /64, [then 429](access.md); 0: no limit",
    )
    login_failures_per_token: int = number(
        10, least=0, most=1_000_000, about="failed logins in a period with one token's id; 0: no limit"
    )
    login_failures_period: int = number(300, least=1, most=86_400, about="seconds of that period")
    default_lifecycle: str = choice("enforced", LIFECYCLES, about="or `open`, for new models")
    protected_aliases: tuple[str, ...] = texts(
        names.alias_problem, about="aliases that are protected in every model, with commas"
    )
    max_body_bytes: int = byte_count(MIB, least=1024, most=64 * MIB, about="of a request")
    max_manifest_bytes: int = byte_count(8 * MIB, least=1024, most=64 * MIB, about="of a registration")
    max_upload_bytes: int = byte_count(part_sizes.LARGEST, least=1, most=part_sizes.LARGEST, about="of one file")
    single_put_bytes: int = byte_count(
        part_sizes.SINGLE_PUT, least=part_sizes.LEAST_PART, most=1024 * MIB, about="larger files go in parts"
    )
    part_bytes: int = byte_count(
        part_sizes.PART,
        least=part_sizes.LEAST_PART,
        most=1024 * MIB,
        about="of each part; more where 10,000 parts would not do",
    )
    page_cache_bytes: int = byte_count(
        32 * MIB,
        least=0,
        most=64 * 1024 * MIB,
        about="of versions, as JSON and as rows of pages, that each process keeps",
    )
    inline_bytes: int = byte_count(
        inline_bytes.MOST_BYTES,
        least=0,
        most=inline_bytes.MOST_BYTES,
        about="of the files that a registration may bring itself; 0: all bytes are uploaded before",
    )
    inline_verify_bytes: int = byte_count(
        64 * MIB, least=0, most=1024 * MIB, about="what is read back while a client waits; more is left to a worker"
    )
    open_uploads: int = number(
        20_000, least=1, most=1_000_000, about="uploads that one account may have open at once; more are refused (409)"
    )
    open_upload_bytes: int = byte_count(
        50 * 1024**4, least=1, most=2**53, about="of an account's open uploads together, as announced"
    )
    upload_expiry: int = number(
        86_400, least=1, most=7 * 86_400, about="seconds until an upload on which nothing happens is closed"
    )
    url_expiry: int = number(
        300, least=1, most=86_400, about="seconds that a signed URL works: [what ends it earlier](files.md)"
    )
    gc_grace: int = number(
        7 * 86_400,
        least=0,
        most=365 * 86_400,
        about="seconds that what nothing refers to is kept; more than any request takes",
    )
    gc_interval: int = number(3600, least=60, most=30 * 86_400, about="seconds between a worker's collections")
    purge_retention: int = number(
        30 * 86_400, least=0, most=3650 * 86_400, about="seconds from deleting a version until it may be purged"
    )
    scrub_interval: int = number(
        86_400, least=60, most=365 * 86_400, about="seconds until the bytes of production are read again"
    )
    import_sources: tuple[str, ...] = texts(
        locations.problem, about="locations to import from, with commas: `s3://bucket/prefix`, `https://host/path`"
    )
    allow_secrets: bool = flag(
        False, about="take [files that hold credentials](files.md) from MLflow's clients and sources that they name"
    )
    mlflow_downloads: str = choice(
        "registry",
        MLFLOW_DOWNLOADS,
        about="or `source`: MLflow clients load what came from `s3://` from there, unverified",
    )
    mlflow_tracking: tuple[Tracking, ...] = setting(
        readers.tracking_servers,
        (),
        default_text="none",
        about="MLflow tracking servers to fetch runs and models from, as JSON: "
        '`{"url": "https://mlflow.example", "token": "…"}`, or a list of such; `username` and '
        "`password` in place of `token`; "
        "`artifact_roots`, a list of `s3://bucket/prefix`, names where their artifacts are read directly",
    )
    bind: str = setting(
        None, BIND, default_text="`127.0.0.1:5000`", about="address and port that the service listens on"
    )
    workers: int = number(
        2,
        least=1,
        most=64,
        derive=lambda values: 1 if readers.uses_sqlite(values) else 2,
        default_text="2, with SQLite 1",
        about="processes: [one for each core](scaling.md)",
    )
    threads: int = number(8, least=1, most=256, about="of each process: [what was measured](scaling.md)")
    transfers: int = number(
        4,
        least=1,
        most=256,
        derive=readers.transfers,
        default_text="half the threads",
        about="threads of each process that large uploads and downloads may take",
    )
    header_seconds: int = number(10, least=1, most=600, about="seconds until the header of a request must be complete")
    stall_seconds: int = number(
        30, least=1, most=3600, about="seconds that a client may send or take less than 1 KiB/s of a body"
    )
    drain_seconds: int = number(
        5,
        least=0,
        most=600,
        derive=lambda values: 0 if values["dev"] else 5,
        default_text="5, with `--dev` 0",
        about="seconds that it serves on after SIGTERM, with `/readyz` 503",
    )
    probe_seconds: int = number(
        2,
        least=1,
        most=60,
        about="seconds that `/readyz`, `/metrics` and the status page wait for the database and the store; less than "
        "the `timeoutSeconds` of a probe",
    )
    metrics_token: Secret | None = setting(
        readers.metrics_token,
        None,
        default_text="none",
        about="16 characters or more: `/metrics` then needs `Authorization: Bearer` with it",
    )
    metrics_cache_seconds: int = number(
        5,
        least=0,
        most=60,
        about="seconds that a server answers `/metrics` with the same numbers; less than the scrape interval",
    )
    tracing: bool = setting(
        readers.tracing,
        False,
        default_text="`false`",
        about="OpenTelemetry traces; needs the extra `otel` and `OTEL_EXPORTER_OTLP_ENDPOINT`",
    )
    log_format: str = choice(
        "json",
        LOG_FORMATS,
        derive=lambda values: "console" if values["dev"] else "json",
        default_text="`json`, with `--dev` `console`",
        about="`json` or `console`",
    )
    log_level: str = choice("info", LOG_LEVELS, about="`debug`, `info`, `warning`, `error`")

    def secrets(self) -> list[str]:
        """Return what no log may show: the key, and the passwords and tokens of other services."""
        databases = filter(None, (self.database_url, self.database_replica_url))
        passwords = [urlsplit(one.reveal()).password for one in databases]
        upstream = [secret for one in self.mlflow_tracking for secret in (one.token, one.password) if secret]
        secret_texts = [*self.secret_keys, *(unquote(one or "") for one in passwords)]
        secret_texts += [secret.reveal() for secret in (*upstream, *self.log_keys)]
        secret_texts.append(self.metrics_token.reveal() if self.metrics_token else "")
        return [*secret_texts, *(os.environ.get(name, "") for name in _STORE_SECRETS)]

    @property
    def secret_keys(self) -> list[str]:
        """The secret key, and after it the previous ones whose tokens, addresses and seals are still accepted."""
        return [self.secret_key.reveal(), *(secret.reveal() for secret in self.secret_key_previous)]

    @property
    def log_keys(self) -> list[Secret]:
        """The log key, and after it the previous ones that sign as well; empty where this process has none."""
        return [self.log_key, *self.log_key_previous] if self.log_key else []

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
        environment = ProcessEnvironment(dev=dev, create=create, data_dir=data_dir)
        _note_unknown(environment)
        address = _with_parts(bind or environment.text("bind") or BIND, host, port)
        environment.checked("bind", address, lambda value: readers.bind_problem(value, dev=dev))
        values = read_all(declarations(cls), environment, {"dev": dev, "bind": address})
        if create and not environment.problems and readers.is_embedded(environment, values):
            readers.make_data_dir(environment)
        if environment.problems:
            raise SettingsError(environment.problems)
        return cls(**values)


VARIABLES = frozenset(map(variable, declarations(Settings)))
# Kubernetes sets these in every pod next to a Service that is called "registry".
_KUBERNETES = ("REGISTRY_PORT", "REGISTRY_SERVICE_")
_STORE_SECRETS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")  # boto3's own variables


def _note_unknown(environment: ProcessEnvironment) -> None:
    known = VARIABLES | CLIENT_VARIABLES
    for name in os.environ:
        if not name.startswith(PREFIX) or name.startswith(_KUBERNETES):
            continue
        if name not in known and name.removesuffix("_FILE") not in known:
            environment.problems[name] = "is not a setting; deploy/docs/settings.md lists them all"


def _with_parts(bind: str, host: str | None, port: int | None) -> str:
    """Return HOST:PORT with the parts that are given in place of those of *bind*."""
    present, _, number = bind.rpartition(":")
    if host and ":" in host and not host.startswith("["):
        host = f"[{host}]"
    return f"{host or present}:{port or number}" if host or port else bind
