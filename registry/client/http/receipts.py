"""Receipts: the audit entries that writes have appended, as the registry named them."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

HEADER = "Audit-Event"
_FORM = re.compile(r"(?P<entry>[0-9a-f-]{36}); leaf=(?P<leaf>[0-9a-f]{64})(?:; position=(?P<position>[0-9]{1,19}))?")


@dataclass(frozen=True, slots=True)
class Receipt:
    """The id of an audit entry, and the hash of its leaf in the sealed log, as hex.

    ``position`` is its place there; None while it is not sealed, or not known.
    """

    entry: str
    leaf: str
    position: int | None = None


class Receipts(threading.local):
    """The receipts that the present thread collects; each thread has its own."""

    def __init__(self) -> None:
        self._collections: list[tuple[list[Receipt], int]] = []

    @contextmanager
    def collecting(self, wait: int) -> Iterator[list[Receipt]]:
        """Collect the receipts of the block's writes, which wait so many seconds at most until they are sealed."""
        collected: list[Receipt] = []
        self._collections.append((collected, wait))
        try:
            yield collected
        finally:
            self._collections.pop()

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of a write."""
        wait = max((wait for _, wait in self._collections), default=0)
        return {"Prefer": f"wait={wait}"} if wait else {}

    def note(self, header: str | None) -> None:
        """Collect the receipt of a response; a text that is none is ignored."""
        match = _FORM.fullmatch(header or "")
        if match is None:
            return
        position = match["position"]
        receipt = Receipt(match["entry"], match["leaf"], int(position) if position else None)
        for collected, _ in self._collections:
            collected.append(receipt)
