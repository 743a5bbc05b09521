"""Run the benchmark: see the package's docstring, and ``--help``."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from flask import Flask

from registry.db.models import Account
from registry.db.session import db, reading
from tests.benchmarks.lineage import __doc__ as purpose
from tests.benchmarks.lineage import closure, hostile
from tests.benchmarks.lineage.catalogue import EACH, Catalogue, digest_of
from tests.benchmarks.lineage.filling import fill, progress
from tests.benchmarks.lineage.hostile import HostileCatalogue
from tests.benchmarks.lineage.measuring import Series, growth, measure, percentile, plans
from tests.benchmarks.lineage.questions import BY_METRIC, HELD, MANY, Asker, questions, questions_about_holds
from tests.benchmarks.memory.measuring import LIMIT, make_app
from tests.benchmarks.serving.database import running_postgres, scratch
from tests.support.postgres import ThrowawayPostgres

DATABASES = ("sqlite", "postgresql")
PARTS = ("scale", "closure", "hostile")
MOST = 10.0  # times the p95 of the small catalogue


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for and print it; 1 where a bound is broken."""
    parser = argparse.ArgumentParser(description=purpose, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--databases", choices=DATABASES, nargs="+", default=DATABASES)
    parser.add_argument("--only", choices=PARTS, nargs="+", default=PARTS, help="the parts to run (%(default)s)")
    parser.add_argument("--nodes", type=int, default=100_000, help="of the random graph")
    parser.add_argument("--dependants", type=int, default=90_000, help="of the data that is asked about most")
    parser.add_argument("--versions", type=int, nargs=2, default=(1000, 100_000), metavar=("SMALL", "LARGE"))
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--questions", nargs="+", metavar="TEXT", help="only those with one of these in their names")
    parser.add_argument("--plans", action=argparse.BooleanOptionalAction, default=True)
    options = parser.parse_args(arguments)
    broken = 0
    for kind in options.databases:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lineage-")))
            server = stack.enter_context(running_postgres()) if kind == "postgresql" else None
            running = Running(stack, folder, server)
            broken += scale(running, options) if "scale" in options.only else 0
            broken += _closure(running, options) if "closure" in options.only else 0
            broken += _hostile(running, options) if "hostile" in options.only else 0
    return 1 if broken else 0


class Running:
    """A database, and the services that are started over it; gone with the *stack*."""

    def __init__(self, stack: ExitStack, folder: Path, server: ThrowawayPostgres | None) -> None:
        self._stack, self._folder, self._server = stack, folder, server
        self.kind = "postgresql" if server else "sqlite"

    def filled(self, make: Callable[[str], Catalogue]) -> Asker:
        """Return a client of a service over what *make* returns for an account; another process fills it."""
        place = Path(tempfile.mkdtemp(dir=self._folder))
        database = None
        if self._server:
            database = self._stack.enter_context(scratch(self._server, f"lineage_{place.name}"))
        url = database.url() if database else f"sqlite:///{place / 'registry.db'}"
        app, token = make_app(url, place)
        with app.app_context():
            with reading() as session:
                actor = session.query(Account.id).filter(Account.name == "all").scalar()
            db.engine.dispose()
        self._stack.callback(_dispose, app)
        catalogue = make(actor)
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            where = (database.server.base, database.name) if database else (place, None)
            pool.submit(fill, catalogue, *where).result()
        return Asker(app.test_client(), token, catalogue)


def scale(running: Running, options: argparse.Namespace) -> int:
    """Compare the catalogues on one database; return how many bounds are broken."""
    small, large = (running.filled(partial(Catalogue, versions)) for versions in options.versions)
    late = {}
    for asker in (small, large):
        pages = {name: asker.late_page(query) for name, query in (("newest", {"filter": MANY}), ("metric", BY_METRIC))}
        late[asker.catalogue.versions] = {name: path for name, (_, path) in pages.items()}
        for name, (number, _) in pages.items():
            progress(f"{asker.catalogue.versions:,} versions: the late page by {name} is page {number}")
    app, token = large.client.application, large.token
    asked, found = [], []
    for group, is_held in ((questions(late), False), (questions_about_holds(), True)):
        chosen = [one for one in group if _is_chosen(one.name, options.questions)]
        for asker in (small, large) if is_held and chosen else ():
            for lake in range(HELD):
                asker.hold(digest_of("lake", lake))
        grown = {one.name: growth(app, token, one.path(large.catalogue, random.Random(7))) for one in chosen}
        for series in measure(chosen, small, large, rounds=options.rounds):
            series.grown = grown[series.name]
            found.append(series)
            sys.stdout.write(f"{running.kind:10} {_line(series)}\n")
            sys.stdout.flush()
        asked += chosen
    for question in asked if options.plans else []:
        sys.stdout.write(f"## {question.name}\n")
        path = question.path(large.catalogue, random.Random(7))
        for line in plans(app, partial(large.ask, path)):
            sys.stdout.write(f"{line}\n")
    return sum(one.ratio > MOST or one.grown > LIMIT for one in found)


def _line(one: Series) -> str:
    times = [percentile(seconds, share) * 1000 for seconds in (one.small, one.large) for share in (0.5, 0.95)]
    return (
        f"{one.name:40} small p50 {times[0]:7.1f} p95 {times[1]:7.1f} ms"
        f"  large p50 {times[2]:7.1f} p95 {times[3]:7.1f} ms"
        f"  ratio {one.ratio:5.2f}  memory {one.grown / 2**20:5.1f} MiB"
        f"{'  NO' if one.ratio > MOST or one.grown > LIMIT else ''}"
    )


def _closure(running: Running, options: argparse.Namespace) -> int:
    versions = max(options.nodes // 10 // EACH, 1) * EACH
    asker = running.filled(partial(Catalogue, versions, has_lineage=False))
    compared, wrong = closure.compare(asker, nodes=options.nodes, versions=versions)
    sys.stdout.write(
        f"{running.kind:10} {options.nodes:,} nodes: impact of {compared} digests, {wrong} unlike the closure\n"
    )
    return wrong


def _hostile(running: Running, options: argparse.Namespace) -> int:
    asker = running.filled(partial(HostileCatalogue, options.dependants // EACH * EACH))
    found = []
    for answer in hostile.answers(asker):
        sys.stdout.write(f"{running.kind:10} {answer}\n")
        sys.stdout.flush()
        found.append(answer)
    return sum(answer.is_broken for answer in found)


def _dispose(app: Flask) -> None:
    with app.app_context():
        db.engine.dispose()


def _is_chosen(name: str, texts: Sequence[str] | None) -> bool:
    return not texts or any(text in name for text in texts)


if __name__ == "__main__":
    sys.exit(main())
