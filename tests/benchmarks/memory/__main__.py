"""How much memory each endpoint takes for the largest request that it accepts, by the growth of its process.

    python -m tests.benchmarks.memory [--postgres] [--one-in 3]

Each request has a process of its own, forked from one that holds the app, so that no freed memory of an earlier
request hides what a later one takes. Exits with 1 where one takes more than 64 MiB, fails, or is refused that should be
accepted.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import tempfile
import zlib
from contextlib import ExitStack
from pathlib import Path

from flask import Flask

from registry.app import create_app
from registry.config import Secret, Settings
from registry.db import migrate
from registry.db.session import db
from registry.domain.access import GRANTABLE, LOCAL_DEV
from registry.http.context import EXTENSION
from registry.services.accounts import accounts
from registry.telemetry import logs
from tests.benchmarks.memory import cases
from tests.benchmarks.memory.measuring import LIMIT, resident, send
from tests.support.api import Api
from tests.support.postgres import ThrowawayPostgres
from tests.support.registry_builder import in_process

UNSUPPORTED = 501
REFUSED = {400, 413, 415, 422}  # what is refused before it is read measures nothing


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--postgres", action="store_true", help="over a throw-away PostgreSQL, not SQLite")
    options.add_argument("--one-in", type=int, default=1, help="only one of so many requests, by its name")
    chosen = options.parse_args()
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = f"sqlite:///{directory / 'registry.db'}"
        if chosen.postgres:
            server = ThrowawayPostgres()
            stack.callback(server.stop)
            url = server.url()
        app, token = _app(url, directory)
        file = cases.fill(app, in_process(Api(app.test_client(), token)))
        with app.app_context():
            db.engine.dispose()
        gc.freeze()  # a child that searches what it inherited copies all of it
        worst, failed = 0, False
        hostile = cases.hostile()
        for name, case in (cases.cases(file) | cases.deliveries(file) | hostile).items():
            if zlib.crc32(name.encode()) % chosen.one_in:
                continue
            status, grown = _forked(app, case, token)
            worst = max(worst, grown)
            failed |= (status in REFUSED and name not in hostile) or (status >= 500 and status != UNSUPPORTED)
            print(f"{grown / 2**20:8.1f} MiB  {status}  {name}", flush=True)  # noqa: T201 -- a report
    print(f"{worst / 2**20:8.1f} MiB at most; the limit is {LIMIT / 2**20:.0f}")  # noqa: T201 -- a report
    return 1 if failed or worst > LIMIT else 0


def _app(url: str, directory: Path) -> tuple[Flask, str]:
    logs.configure("json", "error")
    settings = Settings(
        database_url=Secret(url),
        data_dir=directory,
        secret_key=Secret("x" * 48),
        storage_url=(directory / "store").as_uri(),
        import_sources=("https://files.example/models",),
    )
    migrate.upgrade(url)
    app = create_app(settings)
    with app.app_context():
        pepper = app.extensions[EXTENSION].pepper
        made = accounts.create_token("all", sorted(GRANTABLE), actor=LOCAL_DEV, pepper=pepper)
    return app, made.token or ""


def _forked(app: Flask, case: cases.Case, token: str) -> tuple[int, int]:
    """The status, and the growth in bytes, of a process that answers the request and nothing else."""
    reader, writer = os.pipe()
    content = case.content
    child = os.fork()
    if child == 0:
        send(app, cases.Case("GET", "/api/v1/me"), b"", token)  # what is made once is no part of a request
        status, grown = resident(lambda: send(app, case, content, token))
        os.write(writer, f"{status} {grown}".encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        told = pipe.read().split()
    os.waitpid(child, 0)
    return int(told[0]), int(told[1])


if __name__ == "__main__":
    sys.exit(main())
