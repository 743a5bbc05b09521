"""Compare the files of an evidence archive with its entries: make them again from those, and from rows with digests.

The entries themselves are verified with the key of the log (``registry.rules.audit_log``), before this.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from typing import Any

from registry.domain import fact_digests
from registry.domain.errors import RegistryError
from registry.domain.evidence.acts import Basis
from registry.domain.evidence.facts import EvidenceQuery, SealedState, fact
from registry.domain.evidence.recorded import RecordedFacts
from registry.domain.evidence.rows import EdgeRow, EvaluationRow, FrozenRow, MetricRow
from registry.domain.lineage import NodeKind
from registry.domain.manifest import File
from registry.domain.replay.chain import MALFORMED, Broken, EntryWalk
from registry.domain.replay.entry import Entry, Unreplayable
from registry.rules.audit_log.checkpoints import read_checkpoint
from registry.rules.audit_log.entries import leaf_hash, read_entry
from registry.rules.audit_log.files import CHECKPOINT, ENTRIES, FileError, read_entries
from registry.rules.audit_log.notes import encode64
from registry.rules.audit_log.reports import Report
from registry.rules.audit_log.verification import SealedEntry
from registry.services.audit import AUTH
from registry.services.evidence.members import MANIFEST, PACKAGE, Evidence, SealedRow, SignedState
from registry.services.evidence.spool import Spool

MOST_MANIFEST = 1 << 20  # bytes
MODEL = "model:"  # begins the name of a model's chain
_UNREADABLE = (*MALFORMED, RegistryError, Unreplayable, Broken, FileError, zipfile.BadZipFile, LookupError)
_EMPTY = frozenset({fact_digests.metrics([]), fact_digests.edges([])})


def check(path: Path, report: Report) -> None:
    """Add to *report* what in an archive neither follows from its entries nor is covered by digests in them.

    The archive has been found whole, and its entries verified. Rows that no entry covers are taken as they are. What
    another release made may differ from what this one makes: that is not decided.
    """
    with zipfile.ZipFile(path) as archive:
        note: Callable[[str], None] = report.problem
        try:
            manifest = json.loads(_bounded(archive, MANIFEST, MOST_MANIFEST))
            if (release := manifest["release"]) != version(PACKAGE):
                report.undecidable(f"release {release} made the archive: compare its facts with that release")
                note = report.undecidable
            for difference in _disagreements(archive, manifest):
                note(difference)
        except _UNREADABLE as error:
            note(f"the facts cannot be derived from the entries: {error}")


def _disagreements(archive: zipfile.ZipFile, manifest: Mapping[str, Any]) -> Iterator[str]:
    recorded, log = _recorded(archive, manifest), manifest["log"]
    signed, stated = read_checkpoint(archive.read(CHECKPOINT)), recorded.sealed
    if (stated.origin, stated.size, stated.root) != (signed.origin, signed.size, encode64(signed.root)):
        yield f"{MANIFEST} has another state of the log than the checkpoint"
    chains = ArchivedChains(archive, recorded.query.until)
    evidence = Evidence(
        recorded.query,
        SignedState(recorded.sealed, archive.read(CHECKPOINT), log["signed_at"]),
        sorted(chains.models()),
        chains,
        RecordedRows(recorded),
    )
    with ExitStack() as stack:
        members = evidence.members(Spool(stack))
        if unknown := set(archive.namelist()) - members.keys():
            yield f"the file {min(unknown)!r} is in no such archive"
        for name in sorted(members):
            if name not in archive.namelist():
                yield f"the file {name!r} is missing"
            elif not _is_same(archive, name, members[name]):
                yield f"the file {name!r} is not what follows from the entries"
    yield from _left_out(evidence, recorded)


def _recorded(archive: zipfile.ZipFile, manifest: Mapping[str, Any]) -> RecordedFacts:
    log = {name: value for name, value in manifest["log"].items() if name != "signed_at"}

    def lines(name: str) -> Iterator[bytes]:
        with archive.open(f"facts/{name}.jsonl") as file:
            yield from file

    return RecordedFacts(fact(EvidenceQuery, manifest["query"]), fact(SealedState, log), lines)


def _bounded(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    with archive.open(name) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise ValueError(f"{name} has more than {most} bytes")
    return content


def _is_same(archive: zipfile.ZipFile, name: str, pieces: Iterable[bytes]) -> bool:
    """Compare a file with what it should be. All pieces are made: the manifest needs their digests."""
    same = True
    with archive.open(name) as file:
        for piece in pieces:
            same = file.read(len(piece)) == piece and same
        return same and not file.read(1)


def _left_out(evidence: Evidence, recorded: RecordedFacts) -> Iterator[str]:
    """Yield the groups of rows that entries have digests of, and the archive has no rows of."""
    there = {
        name: {(row.model, row.version) for row in getattr(recorded, name)()}
        for name in ("files", "measurements", "lineage")
    }
    histories = {history.model: history.log for history in evidence.histories}
    for one in recorded.versions():
        log = histories[one.model].versions[one.version]
        metrics = {digest for digest in log.metrics.values() if isinstance(digest, str)} - _EMPTY
        expected = {
            "files": log.manifest is not None,
            "measurements": bool(metrics),
            "lineage": isinstance(log.edges, str) and log.edges not in _EMPTY,
        }
        for name, is_expected in expected.items():
            if is_expected and (one.model, one.version) not in there[name]:
                yield f"the {name} of version {one.version} were left out"
    for policy in recorded.policies():
        if policy.basis != Basis.DIGEST:
            yield f"the document of the policy {policy.policy} was left out"
    for gate in recorded.gates():
        if gate.basis != Basis.DIGEST:
            yield f"the facts and verdicts of the move of entry {gate.moved.entry} were left out"


class ArchivedChains:
    """The entries of an archive, as ``EvidenceChains`` gives them."""

    def __init__(self, archive: zipfile.ZipFile, until: str | None) -> None:
        self._archive, self._until = archive, until

    def models(self) -> set[str]:
        """Return the ids of the models whose chains are there."""
        aggregates = {row.document["agg"] for row in self._rows()}
        return {name.removeprefix(MODEL) for name in aggregates if name.startswith(MODEL)}

    def entries(self, aggregate: str) -> Iterator[tuple[int, Entry]]:
        """Yield the entries of a chain. Raises Broken where one was left out, unless it is about accounts."""
        walk = EntryWalk(aggregate)
        for row in self.merged([aggregate]):
            if row.entry is None:
                continue
            if aggregate != AUTH:
                document = row.document
                walk.follow(document["seq"], document["action"], document["prev"], leaf_hash(row.body))
            yield row.position, row.entry

    def merged(self, aggregates: Iterable[str]) -> Iterator[SealedRow]:
        chosen = set(aggregates)
        return (row for row in self._rows() if row.document["agg"] in chosen)

    def proved(self, rows: Iterable[SealedRow]) -> Iterator[SealedEntry]:
        return (SealedEntry(row.position, row.body, row.texts, row.proof) for row in rows)

    def _rows(self) -> Iterator[SealedRow]:
        with self._archive.open(ENTRIES) as lines:
            for sealed in read_entries(lines):
                document = read_entry(sealed.body)
                entry = None
                if self._until is None or document["ts"] < self._until:
                    stored = {name: text for name, text in sealed.texts.items() if text is not None}
                    entry = EntryWalk(document["agg"]).entry(sealed.position, document, stored)
                yield SealedRow(sealed.position, sealed.body, sealed.texts, document, entry, sealed.proof)


class RecordedRows:
    """The rows that the facts of an archive were made from, as ``EvidenceRows`` gives them."""

    def __init__(self, facts: RecordedFacts) -> None:
        self._facts = facts

    def frozen(self, model: str) -> Iterator[FrozenRow]:
        for one in _of(model, self._facts.versions()):
            frozen = {name: getattr(one, name) for name in fact_digests.FROZEN}
            yield FrozenRow(number=one.version, params=one.params, **frozen)

    def files(self, model: str) -> Iterator[tuple[int, list[File]]]:
        for number, files in groupby(_of(model, self._facts.files()), key=lambda file: file.version):
            yield number, [File(file.path, file.size, file.sha256, file.media_type) for file in files]

    def metrics(self, model: str) -> Iterator[tuple[int, Iterator[MetricRow]]]:
        for number, metrics in groupby(_of(model, self._facts.measurements()), key=lambda metric: metric.version):
            yield (
                number,
                (
                    MetricRow(
                        one.key, float(one.value), one.step, one.dataset_digest, one.dataset, one.slice,
                        one.recorded_at, one.recorded_by,
                    )
                    for one in metrics
                ),
            )  # fmt: skip

    def edges(self, model: str) -> Iterator[tuple[int, list[EdgeRow]]]:
        for number, edges in groupby(_of(model, self._facts.lineage()), key=lambda edge: edge.version):
            yield (
                number,
                [
                    EdgeRow(edge.kind, edge.role, NodeKind(edge.target), edge.name, edge.key, edge.attributes)
                    for edge in edges
                ],
            )

    def names(self, accounts: Sequence[str]) -> Mapping[str, str]:
        return {
            one.account: one.name
            for one in self._facts.accounts()
            if one.account in accounts and one.basis == Basis.ROW and one.name is not None
        }

    def policies(self, digests: Sequence[str]) -> Mapping[str, Any]:
        return {
            one.policy: one.document
            for one in self._facts.policies()
            if one.policy is not None and one.policy in digests
        }

    def evaluations(self, model: str, entries: Sequence[str]) -> Iterator[EvaluationRow]:
        gates = _of(model, self._facts.gates())
        return (EvaluationRow(one.moved.entry, one.facts, one.verdicts) for one in gates)


def _of(model: str, facts: Iterable[Any]) -> Iterator[Any]:
    return (one for one in facts if one.model == model)
