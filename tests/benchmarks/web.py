"""The CPU of pages compared with that of the API's answers with the same content, in one process.

    python -m tests.benchmarks.web [--rounds 200] [--versions 1000]

The service runs in this process over SQLite, without sockets: the CPU is that of the views. Each line is the median of
interleaved rounds, a page and then its comparison. The page of a model and the list of its versions are compared with
the cache of rendered items, as they are served by default, and without it. The exit status is 1 where a ratio is above
its bound.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from flask import Flask
from flask.testing import FlaskClient

from registry.app import create_app
from registry.config import Secret, Settings
from registry.db import migrate
from registry.db.session import db
from registry.telemetry import logs
from tests.support.api import Api
from tests.support.many_versions import repeat_latest_version
from tests.support.registry_builder import in_process

LIST = "/api/v1/models/fraud/versions?limit=50"
ONE = "/api/v1/models/fraud/versions/1"
# Pages that are polled, each with the answer of the API whose poll is compared.
POLLED = {"/models/fraud": "/api/v1/models/fraud", "/": "/api/v1/changes", "/changes": "/api/v1/changes"}
Send = Callable[[], int]


@dataclass(frozen=True)
class Ratio:
    """Seconds of CPU of each round, of what is measured and of what it is compared with; ``most`` is the bound."""

    name: str
    base: str
    ours: Sequence[float]
    theirs: Sequence[float]
    most: float | None
    size: int

    @property
    def value(self) -> float:
        return statistics.median(self.ours) / statistics.median(self.theirs)

    @property
    def is_kept(self) -> bool:
        return self.most is None or self.value <= self.most


def run(folder: Path, *, rounds: int, versions: int) -> list[Ratio]:
    """Measure each pair of requests."""
    url = f"sqlite:///{folder / 'registry.db'}"
    migrate.upgrade(url)
    with_pages, without_pages = (_app(url, folder, web=web) for web in (True, False))
    caching = _app(url, folder, web=True, page_cache_bytes=2**24)
    _fill(with_pages, versions)
    pages, plain, cached = _client(with_pages), _client(without_pages), _client(caching)
    tags = {path: str(pages.get(path).headers["ETag"]) for path in (*POLLED, *POLLED.values())}
    six = "&".join(f"v=fraud:{number}" for number in range(1, 7))
    listed, api = "the list of the same 50 versions", "the same request of the API"
    pairs = [
        *((f"model page, picture of {last}", listed, _get(pages, f"/models/fraud?metric=auc&last={last}"),
           _get(pages, LIST), most) for last, most in ((20, 3.0), (200, 3.0), (1000, 4.0))),
        *((f"model page, picture of {last}, with cache", "the list with cache",
           _get(cached, f"/models/fraud?metric=auc&last={last}"), _get(cached, LIST), None)
          for last in (20, 200, 1000)),
        *((f"poll of {path} that finds nothing new", api, _get(pages, path, tags[path], 304),
           _get(pages, twin, tags[twin], 304), 1.5) for path, twin in POLLED.items()),
        ("first page", "the inventory by the API", _get(pages, "/"), _get(pages, "/api/v1/inventory"), None),
        ("comparison of 2", api, _get(pages, "/compare?v=fraud:1&v=fraud:2"),
         _get(pages, "/api/v1/compare?v=fraud:1&v=fraud:2"), None),
        ("comparison of 6", api, _get(pages, f"/compare?{six}"), _get(pages, f"/api/v1/compare?{six}"), None),
        ("metrics explorer, 200 versions", api, _get(pages, "/models/fraud/metrics?key=auc"),
         _get(pages, "/api/v1/models/fraud/metrics?key=auc&limit=200"), None),
        ("a version by the API, with pages", "without pages", _get(pages, ONE), _get(plain, ONE), 1.1),
    ]  # fmt: skip
    try:
        return [_measured(*pair, rounds) for pair in pairs]
    finally:
        for app in (with_pages, without_pages, caching):
            with app.app_context():
                db.engine.dispose()


def report(ratios: Sequence[Ratio]) -> bool:
    """Print a line for each ratio; return whether every bound is kept."""
    for one in ratios:
        ours, theirs = statistics.median(one.ours) * 1000, statistics.median(one.theirs) * 1000
        bound = "" if one.most is None else f" (at most {one.most})"
        sys.stdout.write(f"{one.name:44} {ours:7.2f} ms {one.size:8,} bytes  {one.base:30} {theirs:7.2f} ms  ")
        sys.stdout.write(f"ratio {one.value:5.2f}{bound}\n")
    return all(one.is_kept for one in ratios)


def _measured(name: str, base: str, ours: Send, theirs: Send, most: float | None, rounds: int) -> Ratio:
    size = ours()
    theirs()
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for send, spent in zip((ours, theirs), seconds, strict=True):
            begun = time.process_time()
            send()
            spent.append(time.process_time() - begun)
    return Ratio(name, base, *seconds, most, size)


def _get(client: FlaskClient, path: str, tag: str | None = None, status: int = 200) -> Send:
    headers = {"Accept": "text/html"} | ({"If-None-Match": tag} if tag else {})

    def send() -> int:
        response = client.get(path, headers=headers)
        if response.status_code != status:
            raise RuntimeError(f"{path}: {response.status_code} {response.get_data(as_text=True)[:500]}")
        return len(response.data)

    return send


def _app(url: str, folder: Path, *, web: bool, page_cache_bytes: int = 0) -> Flask:
    """Return the service, by default without a cache of rendered items."""
    settings = Settings(
        database_url=Secret(url), storage_url=f"file://{folder / 'files'}", secret_key=Secret("s" * 64),
        data_dir=folder, dev=True, web=web, page_cache_bytes=page_cache_bytes,
    )  # fmt: skip
    app = create_app(settings)
    logs.configure("json", "error")
    return app


def _client(app: Flask) -> FlaskClient:
    client = app.test_client()
    client.environ_base["HTTP_HOST"] = "localhost"
    return client


def _fill(app: Flask, versions: int) -> None:
    """Register six versions that differ, and add the others like the last."""
    site = in_process(Api(_client(app), None, "http://localhost"))
    for number in range(1, 7):
        site.model("fraud").version(
            "production" if number == 1 else "none",
            files=[site.file(f"{number} {place}".encode(), f"{place}.bin") for place in range(4)],
            params={f"p{place}": str(number + place) for place in range(10)},
            metrics={"auc": number / 10, "p99_ms": float(number)},
            tags={"team": "risk"},
        )
    repeat_latest_version(app, "fraud", versions - 6)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--versions", type=int, default=1000)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        sys.exit(0 if report(run(Path(directory), rounds=chosen.rounds, versions=chosen.versions)) else 1)
