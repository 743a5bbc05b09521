"""Run the service under gunicorn in this process: ``registry serve``."""

from __future__ import annotations

import errno
import gc
import os
import socket
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import structlog
from flask import Flask
from gunicorn.app.base import Application
from sqlalchemy import select

from registry import worker
from registry.api import metrics
from registry.app import create_app
from registry.config import Settings
from registry.db import replica_reads, schema, times
from registry.db.engine import max_overflow
from registry.db.session import db, engine_of
from registry.domain.errors import Unavailable
from registry.http import refusals
from registry.http.context import EXTENSION, Adapters
from registry.services.accounts import accounts
from registry.services.integrity import store_ownership
from registry.services.maintenance import secret_keys
from registry.services.monitoring import health
from registry.telemetry import logs, meters, tracing

log = structlog.get_logger(__name__)
# A checkout is looked at first: an editable install would hold a stale copy.
_CONFIGURATIONS = (
    Path(__file__).parents[1] / "deploy" / "gunicorn.conf.py",
    Path(__file__).parent / "_deploy" / "gunicorn.conf.py",
)
ADDRESS_TRIES = 5
_INHERITED = ("GUNICORN_FD", "GUNICORN_PID", "LISTEN_FDS")  # gunicorn's: the socket comes from another process
DEV_BANNER = """Model registry, development mode: no login, this machine only.
{pages}  API       http://{bind}/api/v1      docs http://{bind}/docs
  data      {data}
"""
BOOTSTRAP_BANNER = """
This bootstrap token makes one admin, once, within an hour:
    {token}
It is also in {path}, readable by its owner only. For example:
    registry login --url http://{bind}     (paste it)
    registry token create you --role admin --role promoter
{pages}"""
DEV_PAGES = "  open      http://{bind}\n"
BOOTSTRAP_PAGES = "Or log in with it at http://{bind}/login, which asks for the first admin.\n"


def run(settings: Settings, *, workers: int | None = None, threads: int | None = None) -> None:
    """Prepare what a first start needs, then serve until the process gets a signal to stop.

    Raises Unavailable when the address is in use, or the database does not answer or has an unsupported schema. Raises
    SecretKeyMismatch with another key than the database's, and ForeignStore when the store is another registry's.
    """
    settings = replace(settings, workers=workers or settings.workers, threads=threads or settings.threads)
    logs.configure(settings.log_format, settings.log_level, secrets=settings.secrets())
    _require_address(settings.bind)
    url = settings.database_url.reveal()
    if settings.uses_sqlite:
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        from registry.db import migrate  # Alembic is slow to import, and not needed here with PostgreSQL

        migrate.upgrade(url)
    schema.require_working(url)
    _guard_clock(url, is_local=settings.uses_sqlite)
    _prepare(settings)
    _share_memory()
    _Server(settings).run()


def _prepare(settings: Settings) -> None:
    """Check the key and the store, and show what a first start needs; the app for that does not outlive the call."""
    app = create_app(settings)
    check_key_and_store(app)
    if settings.dev:
        pages = DEV_PAGES.format(bind=settings.bind) if settings.web else ""
        sys.stderr.write(DEV_BANNER.format(bind=settings.bind, data=settings.data_dir, pages=pages))
    else:
        offer_bootstrap(app)


def _share_memory() -> None:
    """Let the workers that are forked share the memory of this process: its modules and what they have computed.

    The garbage collector writes to each object that it visits, and the kernel then copies the page for that worker.
    It does not visit frozen objects.
    """
    gc.collect()
    gc.freeze()


def _require_address(bind: str) -> None:
    """Raise Unavailable, with what to do, where the address cannot be listened at.

    Waits as long as gunicorn does for a program that is about to leave it.
    """
    if any(name in os.environ for name in _INHERITED):
        return
    host, _, port = bind.rpartition(":")
    for left in reversed(range(ADDRESS_TRIES)):
        try:
            _listen(host.strip("[]"), int(port))
            return
        except OSError as error:
            is_taken = error.errno == errno.EADDRINUSE
            if is_taken and left:
                time.sleep(1)
                continue
            advice = "stop the program that does, or use another port (--port)" if is_taken else "correct --bind"
            raise Unavailable(f"cannot listen at {bind} ({error.strerror or error}): {advice}") from error


def _listen(host: str, port: int) -> None:
    flags, kind = socket.AI_PASSIVE, socket.SOCK_STREAM
    family, _, protocol, _, address = socket.getaddrinfo(host, port, type=kind, flags=flags)[0]
    with socket.socket(family, kind, protocol) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        tried.bind(address)
        tried.listen()


def check_key_and_store(app: Flask) -> None:
    """Raise SecretKeyMismatch or ForeignStore when the key or the store is another registry's.

    A store that does not answer is no obstacle, nor is a database: readiness shows both. Logs a warning where the
    database's role could change history, and where the server has a log key that only workers need.
    """
    adapters: Adapters = app.extensions[EXTENSION]
    if adapters.signer is not None and not adapters.settings.uses_sqlite:
        log.warning("log_key_not_needed", fix="Set REGISTRY_LOG_KEY for registry worker only.")
    with app.app_context():
        secret_keys.confirm_at_start()
        store_ownership.confirm_at_start(adapters.store)
        health.log_privileges()
        db.engine.dispose()  # a server that forks must not share this connection with its workers


def _guard_clock(url: str, *, is_local: bool) -> None:
    """Observe the database's clock before the workers are forked, so that they share what it is compared with."""
    guarded = times.DatabaseClock(url, is_local=is_local)
    guarded.guard()
    if not is_local:
        with schema.connected(url) as connection:
            asked_at = times.steady()
            guarded.observe(connection.scalars(select(times.column())).one(), asked_at=asked_at)


def offer_bootstrap(app: Flask, *, force: bool = False) -> str | None:
    """Show the token of a first run once, and keep it in a file of the owner's; None where tokens exist."""
    adapters: Adapters = app.extensions[EXTENSION]
    with app.app_context():
        token = accounts.issue_bootstrap(pepper=adapters.pepper, force=force)
        db.engine.dispose()  # a server that forks must not share this connection with its workers
    if token is not None:
        settings = adapters.settings
        path = settings.data_dir / "bootstrap-token"
        _write_private(path, token)
        pages = BOOTSTRAP_PAGES.format(bind=settings.bind) if settings.web else ""
        sys.stderr.write(BOOTSTRAP_BANNER.format(token=token, path=path, bind=settings.bind, pages=pages))
    return token


class _Server(Application):  # type: ignore[misc]  # gunicorn is not typed
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        super().__init__(prog="registry serve")

    def init(self, parser: Any, opts: Any, args: Any) -> None:
        """Ignore gunicorn's command line, which is not used."""

    def load_config(self) -> None:
        os.environ["REGISTRY_LOG_FORMAT"] = self.settings.log_format  # its file reads all of these from there
        for name in ("drain_seconds", "header_seconds", "stall_seconds", "transfers"):
            os.environ[f"REGISTRY_{name.upper()}"] = str(getattr(self.settings, name))
        self.load_config_from_file(str(next(path for path in _CONFIGURATIONS if path.exists())))
        self.cfg.set("bind", [self.settings.bind])
        self.cfg.set("workers", self.settings.workers)
        self.cfg.set("threads", self.settings.threads)

    def load(self) -> Flask:
        app = create_app(self.settings)
        health.probe(app.extensions[EXTENSION].store)
        engine = engine_of(app)
        meters.watch(engine.pool, max_overflow=max_overflow(engine.dialect.name))
        refusals.watch(app)
        metrics.watch(app)
        times.guard(app)
        replica_reads.watch(app)
        if self.settings.tracing:
            tracing.start()
        if self.settings.uses_sqlite and self.settings.workers == 1:
            worker.start_threads(app)
        return app


def _write_private(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text + "\n")
