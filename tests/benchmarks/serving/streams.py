"""Requests of a connection: the server, the models that it chooses, and checks of responses."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.benchmarks.serving import catalogue
from tests.benchmarks.serving.catalogue import EACH, Catalogue
from tests.benchmarks.serving.driving import Check, Request

PAGE = 100


Stream = Iterator[Request]


Maker = Callable[["Server", "Chooser"], Stream]


@dataclass(frozen=True)
class Server:
    """Where to send requests: ``headers`` go with each."""

    port: int
    headers: Mapping[str, str]

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        status: int = 200,
        check: Check | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Request:
        content = b"" if body is None else catalogue.dumped(body)
        named = {"Host": f"127.0.0.1:{self.port}", "Accept": "application/json", **self.headers, **(headers or {})}
        if body is not None:
            named |= {"Content-Type": "application/json", "Content-Length": str(len(content))}
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in named.items()), "", ""]
        return Request("\r\n".join(lines).encode() + content, status, check)


@dataclass(frozen=True)
class Chooser:
    """Chooses the models of one connection; connections of one phase never choose the same for writing."""

    catalogue: Catalogue
    connection: int
    connections: int
    seed: str
    hot: bool = False

    def ordinals(self) -> Iterator[int]:
        """Models at random, without end."""
        chance = random.Random(f"{self.seed}-{self.connection}")
        while True:
            yield chance.randrange(self.catalogue.hot if self.hot else self.catalogue.models)

    def own(self) -> Iterator[int]:
        """Models at random that no other connection of this phase gets."""
        shares = self.catalogue.models // self.connections
        for ordinal in self.ordinals():
            yield ordinal % shares * self.connections + self.connection

    def model(self, ordinal: int) -> str:
        return catalogue.HOT_NAME if self.hot else catalogue.name(ordinal)

    @property
    def each(self) -> int:
        """How many versions each chosen model was filled with."""
        return self.catalogue.hot if self.hot else EACH


@dataclass(frozen=True)
class Call:
    """``kind``: read, write or page, which decides what it is compared with. ``native`` and ``rest`` make requests."""

    name: str
    kind: str
    native: Maker
    rest: Maker | None
    stride: int = 1
    against: str | None = None  # the call of MLflow's that it is compared with, where that is another


def expect(actual: object, expected: object) -> None:
    if actual != expected:
        raise ValueError(f"{actual!r} instead of {expected!r}")


def check_page(
    response: Any, *, items: str, ordinal: int, among: Catalogue, right: Callable[[Any, int, Catalogue], bool]
) -> None:  # fmt: skip
    page = response[items]
    if not page:
        raise ValueError("an empty page")
    for item in page:
        if not right(item, ordinal, among):
            raise ValueError(f"{item} is not what was asked for")


def tags_of(ordinal: int, among: Catalogue) -> dict[str, str]:
    return {
        "team": catalogue.team(ordinal, among),
        "tier": catalogue.TIERS[ordinal % len(catalogue.TIERS)],
        "task": "classification",
    }
