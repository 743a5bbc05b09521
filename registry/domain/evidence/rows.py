"""Rows of the database that facts are completed with; each is compared with the digests that entries have of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from registry.domain.lineage import NodeKind
from registry.domain.manifest import File


@dataclass(frozen=True, slots=True)
class FrozenRow:
    """What registration fixes in a version's own row, as ``fact_digests.FROZEN`` has it, and its params.

    Values that are None in place of others are those of a row that is not there.
    """

    number: int
    framework: str | None
    signature: Any
    run_key: str | None
    run_id: str | None
    run_link: str | None
    logged_model: str | None
    params: Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class MetricRow:
    """A measurement; ``recorded_at`` is as the audit log has times."""

    key: str
    value: float
    step: int | None
    dataset_digest: str | None
    dataset_name: str | None
    slice: str
    recorded_at: str
    recorded_by: str


@dataclass(frozen=True, slots=True)
class EdgeRow:
    """An edge of a version's lineage with the node that it points at."""

    kind: str
    role: str
    target: NodeKind
    name: str
    key: str
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class EvaluationRow:
    """What the move of an entry was decided on, as JSON; None for what is no JSON."""

    entry: str
    facts: Any
    verdicts: Any

    @property
    def content(self) -> Any:
        """What an entry has the digest of."""
        return {"facts": self.facts, "verdicts": self.verdicts}


class EvidenceRows(Protocol):
    """The rows of one model after the other; of each, versions in the order of their numbers.

    Those of one version are in memory together.
    """

    def frozen(self, model: str) -> Iterator[FrozenRow]: ...
    def files(self, model: str) -> Iterator[tuple[int, list[File]]]: ...
    def metrics(self, model: str) -> Iterator[tuple[int, Iterator[MetricRow]]]: ...
    def edges(self, model: str) -> Iterator[tuple[int, list[EdgeRow]]]: ...
    def names(self, accounts: Sequence[str]) -> Mapping[str, str]: ...

    def policies(self, digests: Sequence[str]) -> Mapping[str, Any]:
        """Return the documents of policies by their digests."""

    def evaluations(self, model: str, entries: Sequence[str]) -> Iterator[EvaluationRow]:
        """Yield what the moves of *entries* were decided on, in this order; there may be none, and others."""
