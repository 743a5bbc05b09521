"""Facts that were written down, read again from their documents."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from registry.domain.evidence import governance
from registry.domain.evidence.facts import (
    DOCUMENTS,
    AccountFact,
    AliasFact,
    EvidenceQuery,
    FileFact,
    Kind,
    LineageFact,
    MeasurementFact,
    ModelFact,
    NoteFact,
    RoleFact,
    SealedState,
    TenureFact,
    VersionFact,
    fact,
)

Lines = Callable[[str], Iterable[bytes]]
"""Begin to read the JSON lines of a document by its name in ``facts.DOCUMENTS``."""
_NAMES = {kind: name for name, kind in DOCUMENTS.items()}


@dataclass(frozen=True, slots=True)
class RecordedFacts:
    """An implementation of ``EvidenceFacts`` over JSON lines. Reading raises ValueError for what is no such fact."""

    query: EvidenceQuery
    sealed: SealedState
    lines: Lines

    def models(self) -> Iterator[ModelFact]:
        return self._read(ModelFact)

    def versions(self) -> Iterator[VersionFact]:
        return self._read(VersionFact)

    def files(self) -> Iterator[FileFact]:
        return self._read(FileFact)

    def measurements(self) -> Iterator[MeasurementFact]:
        return self._read(MeasurementFact)

    def notes(self) -> Iterator[NoteFact]:
        return self._read(NoteFact)

    def lineage(self) -> Iterator[LineageFact]:
        return self._read(LineageFact)

    def tenures(self) -> Iterator[TenureFact]:
        return self._read(TenureFact)

    def aliases(self) -> Iterator[AliasFact]:
        return self._read(AliasFact)

    def accounts(self) -> Iterator[AccountFact]:
        return self._read(AccountFact)

    def roles(self) -> Iterator[RoleFact]:
        return self._read(RoleFact)

    def policies(self) -> Iterator[governance.PolicyFact]:
        return self._read(governance.PolicyFact)

    def gates(self) -> Iterator[governance.GateFact]:
        return self._read(governance.GateFact)

    def checks(self) -> Iterator[governance.CheckReportFact]:
        return self._read(governance.CheckReportFact)

    def requests(self) -> Iterator[governance.RequestFact]:
        return self._read(governance.RequestFact)

    def request_acts(self) -> Iterator[governance.RequestActFact]:
        return self._read(governance.RequestActFact)

    def holds(self) -> Iterator[governance.HoldFact]:
        return self._read(governance.HoldFact)

    def break_glass(self) -> Iterator[governance.BreakGlassFact]:
        return self._read(governance.BreakGlassFact)

    def _read(self, kind: type[Kind]) -> Iterator[Kind]:
        for line in self.lines(_NAMES[kind]):
            yield fact(kind, json.loads(line))
