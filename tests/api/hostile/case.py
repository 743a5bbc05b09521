"""A hostile request as one row, and the judge of its reply."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from werkzeug.test import TestResponse

from tests.api.hostile.row_watch import RowWatch
from tests.api.hostile.world import World
from tests.support.api import HOST

UNSENT: Any = object()
TOKEN = re.compile(r"mr[psb]_[0-9A-Za-z]{50}")
TRACES = ("Traceback", "sqlalchemy", "psycopg", "sqlite3", "site-packages", "<!doctype")


@dataclass(frozen=True, slots=True)
class Case:
    """Send this, expect that. ``code`` None: not a problem, but what ``status`` says.

    ``path`` and the texts of ``headers`` may name parts of the world: ``{upload}``. ``token`` names one of its
    tokens, or is None for none. ``json`` is encoded, ``raw`` is sent as it is. ``environ`` goes past the client's
    own checks, as a server hands over what a stranger sent. ``at`` is the place in the body that ``errors`` must name.
    """

    id: str
    method: str
    path: str
    status: int
    code: str | None = None
    json: Any = UNSENT
    raw: bytes | None = None
    headers: Sequence[tuple[str, str]] = ()
    token: str | None = "all"
    environ: Mapping[str, Any] = field(default_factory=dict)
    writes: bool = False
    at: Sequence[Any] = ()

    def send(self, world: World) -> TestResponse:
        """The reply of the app to the request."""
        options: dict[str, Any] = {} if self.json is UNSENT else {"json": self.json}
        if self.raw is not None:
            options["data"] = self.raw
        headers = [(name, value.format_map(world.parts) if "{" in value else value) for name, value in self.headers]
        if self.token is not None:
            headers.append(("Authorization", f"Bearer {world.tokens[self.token]}"))
        path = self.path.format_map(world.parts)
        if not path.startswith(("/transfer", "/livez", "/readyz", "/openapi", "/docs", "//")):
            path = f"/api/v1{path}"
        environ = {
            name: value.format_map(world.parts) if isinstance(value, str) and "{" in value else value
            for name, value in self.environ.items()
        }
        return world.client.open(
            path, method=self.method, base_url=HOST, headers=headers, environ_overrides=environ, **options
        )


def failures(cases: Iterable[Case], world: World, row_watch: RowWatch) -> list[str]:
    """What is wrong with the replies, one line a fault; empty when every case came to what it should.

    Nothing may be written by a case that is not marked so: counted after each, compared in full at the end.
    """
    found, tried = [], 0
    whole, written = row_watch.digest(), False
    counts = row_watch.counts()
    for case in cases:
        tried += 1
        response = case.send(world)
        found += [f"{case.id}: {fault}" for fault in faults(case, response, world)]
        response.close()
        now = row_watch.counts()
        if now != counts and not case.writes:
            found.append(f"{case.id}: something was written: {sorted(set(now.items()) ^ set(counts.items()))}")
        counts, written = now, written or case.writes
    if not tried:
        found.append("no case was tried")
    if not written and row_watch.digest() != whole:
        found.append("some case changed a row")
    return found


def faults(case: Case, response: TestResponse, world: World) -> list[str]:
    """What is wrong with one reply."""
    text = response.get_data(as_text=True)
    if response.status_code != case.status:
        return [f"{response.status_code} instead of {case.status}: {text[:300]}"]
    shown = text + str(response.headers)
    found = [f"shows {trace}" for trace in TRACES if trace.lower() in text.lower() and case.code]
    if TOKEN.search(shown) or any(secret in shown for secret in world.secrets):
        found.append("echoes a secret")
    if case.code is None or case.method == "HEAD":
        return found
    if response.mimetype != "application/problem+json":
        return [*found, f"is {response.mimetype}"]
    problem = response.get_json()
    if problem["code"] != case.code:
        found.append(f"has the code {problem['code']} instead of {case.code}: {problem['detail'][:200]}")
    if problem["status"] != case.status or not problem["title"] or not problem["detail"]:
        found.append(f"is incomplete: {problem}")
    if case.at and not _named(problem.get("errors"), case.at):
        found.append(f"does not name the place {case.at}: {problem.get('errors')}")
    if not problem["request_id"] or problem["request_id"] != response.headers.get("X-Request-Id"):
        found.append(f"has the request id {problem['request_id']!r}")
    return found


def _named(errors: Any, at: Sequence[Any]) -> bool:
    """Return whether *errors* has the place *at*; those of a mapping's values are below ``value``."""
    for step in at:
        errors = errors.get(str(step), errors.get("value", {}).get(str(step))) if errors else None
    return bool(errors)
