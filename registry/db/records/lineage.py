"""Edges of the lineage graph, as queries return them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from registry.domain.lineage import StatementVerb


@dataclass(frozen=True, slots=True)
class EdgeEnd:
    """A node at an end of a lineage edge; ``model`` and ``version`` are those of a version."""

    kind: str
    name: str
    model: str | None
    version: int | None
    digests: Sequence[str]


@dataclass(frozen=True, slots=True)
class EdgeStatement:
    """A statement about an edge: that it was added, retracted or reinstated; ``entry`` is the audit entry of it."""

    verb: str
    at: datetime
    actor: str | None
    entry: str | None


@dataclass(frozen=True, slots=True)
class EdgeRecord:
    """A lineage edge with all statements about it, the first of which added it.

    ``is_registered``: the registration of a version, or a later snapshot of its run, added it.
    """

    id: int
    kind: str
    role: str | None
    source: EdgeEnd
    target: EdgeEnd
    statements: Sequence[EdgeStatement]
    is_registered: bool

    @property
    def is_stated_later(self) -> bool:
        """Return whether its latest statement is none of a registration."""
        return not self.is_registered or len(self.statements) > 1

    @property
    def is_retracted(self) -> bool:
        """Return whether the edge is left out of answers."""
        return self.statements[-1].verb == StatementVerb.RETRACTED
