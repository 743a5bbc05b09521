"""How much memory each endpoint takes for the largest request that it accepts, by the growth of its process.

    python -m tests.benchmarks.memory [--postgres] [--one-in 3]

Each request has a process of its own, forked from one that holds the app, so that no freed memory of an earlier
request hides what a later one takes. Exits with 1 where one takes more than 64 MiB, fails, or is refused that should be
accepted.
"""

from __future__ import annotations

import argparse
import gc
import sys
import tempfile
import zlib
from contextlib import ExitStack
from pathlib import Path

from registry.db.session import db
from tests.benchmarks.memory import cases, full_registry
from tests.benchmarks.memory.measuring import LIMIT, forked, make_app
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
        app, token = make_app(url, directory)
        file = full_registry.fill(app, in_process(Api(app.test_client(), token)))
        with app.app_context():
            db.engine.dispose()
        gc.freeze()  # a child that searches what it inherited copies all of it
        worst, failed = 0, False
        hostile = cases.hostile()
        for name, case in (cases.cases(file) | cases.deliveries(file) | hostile).items():
            if zlib.crc32(name.encode()) % chosen.one_in:
                continue
            status, grown = forked(app, case, token)
            worst = max(worst, grown)
            failed |= (status in REFUSED and name not in hostile) or (status >= 500 and status != UNSUPPORTED)
            print(f"{grown / 2**20:8.1f} MiB  {status}  {name}", flush=True)  # noqa: T201 -- a report
    print(f"{worst / 2**20:8.1f} MiB at most; the limit is {LIMIT / 2**20:.0f}")  # noqa: T201 -- a report
    return 1 if failed or worst > LIMIT else 0


if __name__ == "__main__":
    sys.exit(main())
