"""Comparison of the rows that answers are read from with the replayed log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from registry.domain import clock, confusables, fact_digests
from registry.domain.errors import Invalid
from registry.domain.holds import HoldKind
from registry.domain.manifest import File, digest_of
from registry.domain.replay import replayed
from registry.domain.replay.entry import UNKNOWN, Unknown
from registry.domain.replay.storage import Storage
from registry.domain.states import VersionState
from registry.rules import names
from registry.services.audit.streams import ModelRows
from registry.storage import keys

SHOWN = 60


@dataclass(slots=True)
class Comparison:
    """The differences, and the versions, tokens and accounts whose facts the log lacks.

    ``recorded`` has the facts of those versions as they are stored now, ``origins`` the rollbacks' tenures likewise.
    ``open`` lists what cannot be decided.
    """

    differences: list[str] = field(default_factory=list)
    lacking: list[int | str] = field(default_factory=list)
    recorded: dict[int, dict[str, str]] = field(default_factory=dict)
    origins: dict[int, int | None] = field(default_factory=dict)
    number_unknown: bool = False
    open: list[str] = field(default_factory=list)

    def check(self, what: str, stored: Any, expected: Any) -> None:
        """Record a difference unless the values are equal or the log has no value."""
        if not isinstance(expected, Unknown) and stored != expected:
            self.differences.append(f"{what} is {_shortened(stored)}, the log has {_shortened(expected)}")


def model(row: Any, rows: ModelRows, log: replayed.ReplayedModel, storage: Storage | None) -> Comparison:
    """Compare a model's row and everything under it. *storage* has the repairs of blobs."""
    comparison, own = Comparison(), (row.id,)
    check = comparison.check
    check("its name", row.name, log.name)
    check("the key of its name", row.name_key, names.name_key(log.name))
    if row.look is not None:  # else a worker is to fill it in, and comparisons of names compute it
        check("the look of its name", row.look, confusables.look(row.name))
    check("its description", row.description, log.description)
    check("its lifecycle", row.lifecycle, log.lifecycle)
    check("its creation", (clock.wire(row.created_at), row.created_by), (log.created_at, log.created_by))
    check("its deletion", _log_time(row.deleted_at), log.deleted_at)
    check("its protected aliases", list(row.protected_aliases or ()), log.protected_aliases)
    check("its latest number", row.latest_number, log.latest_number)
    if log.numbers_known or row.next_number < log.next_number:
        check("its next number", row.next_number, log.next_number)
    comparison.number_unknown = not log.numbers_known
    _check_document(comparison, "the claims of another registry", row.claimed, log.claimed)
    check("its tags", {tag.key: tag.value for tag in rows.tags.of(own)}, log.tags)
    former = list(rows.former_names.of(own))
    check("its former names", [(name.name, name.next_number, clock.wire(name.ended_at)) for name in former], log.former)
    check(
        "the keys of its former names",
        [name.name_key for name in former],
        [names.name_key(one[0]) for one in log.former],
    )
    _check_versions(comparison, row.id, rows, log, storage)
    _check_tenures(comparison, rows.tenures.of(own), log)
    _check_aliases(comparison, rows.aliases.of(own), log)
    check_holds(comparison, rows.holds.of(own), log.holds)
    return comparison


def check_holds(comparison: Comparison, rows: Iterable[Any], log: Mapping[str, replayed.ReplayedHold]) -> None:
    """Compare the holds of a model, or those on data and models, with the log."""
    missing = dict(log)
    for row in rows:
        expected = missing.pop(row.placed_entry, None)
        if expected is None:
            comparison.differences.append(f"the hold {row.id} was placed by no entry")
            continue
        on = row.version_id is not None and row.kind != HoldKind.VERSION
        target = f"version {row.version_id}{row.target}" if on else row.target
        number = row.number if row.kind == HoldKind.VERSION else None
        stored = (row.kind, target, number, clock.wire(row.placed_at), _log_time(row.released_at), row.released_entry)
        recorded = (expected.kind, expected.target, expected.number, expected.placed_at, expected.released_at,
                    expected.released_entry)  # fmt: skip
        comparison.check(f"the hold {row.id}", stored, recorded)
    comparison.differences += [f"the hold of the entry {entry} is gone" for entry in sorted(missing)]


def _check_versions(
    comparison: Comparison, model_id: str, rows: ModelRows, log: replayed.ReplayedModel, storage: Storage | None
) -> None:
    seen = set()
    for row in rows.versions.of((model_id,)):
        seen.add(row.number)
        version = log.versions.get(row.number)
        if version is None:
            comparison.differences.append(f"version {row.number} was never registered")
        else:
            _check_version(comparison, row, rows, version, storage)
    comparison.differences += [f"version {number} is gone" for number in sorted(log.versions.keys() - seen)]


def _check_version(
    comparison: Comparison, row: Any, rows: ModelRows, log: replayed.ReplayedVersion, storage: Storage | None
) -> None:
    own, name = (row.model_id, row.number), f"version {row.number}: its"

    def check(what: str, stored: Any, expected: Any) -> None:
        comparison.check(f"{name} {what}", stored, expected)

    check("state", row.state, log.state)
    check("reason", row.state_reason, log.state_reason)
    check("stage", row.stage, log.stage)
    check("state of its run", row.run_state, log.run_state)
    check("mark of a rollback", bool(row.rolled_back), log.rolled_back)
    check("move past the gates", row.broken_glass_entry, log.broken_glass)
    check("manifest digest", row.manifest_digest, log.manifest)
    check("lineage digest", row.lineage_digest, log.lineage)
    check("files", (row.file_count, str(row.size)), (log.files, log.size))
    check("description", row.description, log.description)
    check("source", row.source, log.source)
    check("location", row.location, log.location)
    check("registration", (clock.wire(row.created_at), row.created_by), (log.created_at, log.created_by))
    check("deletion", _log_time(row.deleted_at), log.deleted_at)
    check("purge", _log_time(row.purged_at), log.purged_at)
    _check_document(comparison, f"{name} claim", row.claimed, log.claimed)
    check("tags", {tag.key: tag.value for tag in rows.version_tags.of(own)}, log.tags)
    measured = [
        (clock.wire(metric.recorded_at), (metric.key, metric.value, metric.step, metric.dataset_digest,
                                          metric.dataset_name, metric.slice, metric.recorded_by))
        for metric in rows.metrics.of(own)
    ]  # fmt: skip
    recorded = {
        "frozen": fact_digests.frozen(row),
        "params": fact_digests.params({param.key: param.value for param in rows.params.of(own)}),
        "metrics": fact_digests.metrics(batch for _, batch in measured),
        "edges": fact_digests.edges((edge.kind, edge.role, edge.target_kind, edge.key) for edge in rows.edges.of(own)),
    }
    check("framework, signature or run", recorded["frozen"], log.frozen)
    check("params", recorded["params"], log.params)
    check("lineage", recorded["edges"], log.edges)
    _compare_checks(comparison, name, rows.checks.of(own), log.checks)
    unknown = _check_metrics(comparison, name, measured, log)
    stored = _check_files(comparison, name, list(rows.files.of(own)), log, storage)
    needs_blobs = log.state == VersionState.READY and bool(log.manifest) and log.purged_at is None
    if unknown or UNKNOWN in (log.frozen, log.params, log.edges) or (needs_blobs and log.blobs is None):
        comparison.lacking.append(row.number)
        comparison.recorded[row.number] = recorded | ({"blobs": fact_digests.blobs(stored)} if needs_blobs else {})


def _check_metrics(comparison: Comparison, name: str, measured: list[Any], log: replayed.ReplayedVersion) -> bool:
    """Compare measurements by the time of their recording; return whether the log lacks some of them."""
    batches: dict[str, list[Any]] = {}
    times = [at for at, _ in measured]
    comparison.check(f"{name} order of metrics", times, sorted(times))
    for at, metric in measured:
        batches.setdefault("" if at <= log.measured_until else at, []).append(metric)
    comparison.check(f"{name} metrics until {log.measured_until}", fact_digests.metrics(batches.pop("", [])),
                log.measured_before if log.measured_until else fact_digests.metrics([]))  # fmt: skip
    unknown = False
    for at, expected in log.metrics.items():
        batch = batches.pop(at, [])
        if isinstance(expected, Unknown):
            unknown = True
        elif isinstance(expected, Mapping):  # an earlier release recorded the values alone
            comparison.check(f"{name} metrics of {at}", {key: repr(float(value)) for key, value, *_ in batch}, expected)
            unknown = True
        else:
            comparison.check(f"{name} metrics of {at}", fact_digests.metrics(batch), expected)
    comparison.differences += [f"{name} metrics of {at} are in no entry" for at in sorted(batches)]
    return unknown


def _compare_checks(
    comparison: Comparison, name: str, rows: Iterable[Any], log: Iterable[replayed.ReplayedCheck]
) -> None:
    for row, report in zip_longest(rows, log):
        stored = expected = None
        if row is not None:
            stored = (row.check, row.status, row.manifest_digest, tuple(row.roles), clock.wire(row.reported_at),
                      row.reported_by, row.entry_uid)  # fmt: skip
        if report is not None:
            expected = (report.name, report.status, report.manifest, tuple(report.roles), report.reported_at,
                        report.reported_by, report.entry)  # fmt: skip
        if stored != expected:
            comparison.differences.append(f"{name} reports of checks: {_misplaced('report', stored, expected)}")
            return


def _check_files(
    comparison: Comparison, name: str, files: list[Any], log: replayed.ReplayedVersion, storage: Storage | None
) -> dict[str, str]:
    """Compare the manifest's rows and the objects that hold their bytes; returns those objects by sha256."""
    if files or log.manifest:
        try:
            digest = digest_of(File(file.path, file.size, file.sha256, file.media_type) for file in files)
        except (Invalid, ValueError, TypeError) as error:
            digest = f"no digest ({error})"
        comparison.check(f"{name} list of files", digest, log.manifest)
    stored = {file.sha256: file.object for file in files if file.object is not None}
    if log.purged_at is not None or log.state in {VersionState.FAILED, VersionState.PENDING}:
        return stored
    for file in files:
        if file.object is not None and (file.stored != file.size or not _names(file.object, file.sha256)):
            comparison.differences.append(
                f"{name} file {_shortened(file.path)} points at {file.object}, of {file.stored} bytes"
            )
    if log.blobs and storage:
        at = log.blobs.entry
        then = {sha256: storage.key_at(sha256, key, at) for sha256, key in stored.items()}
        if fact_digests.blobs(then) != log.blobs.digest:
            comparison.differences.append(f"{name} bytes are in other objects than the log has, or not in the registry")
    return stored


def _check_tenures(comparison: Comparison, rows: Iterable[Any], log: replayed.ReplayedModel) -> None:
    numbers: dict[int, int] = {}
    for row, tenure in zip_longest(rows, log.tenures):
        _check_model(comparison, "tenure", row)
        stored, expected = _tenure(row), _tenure(tenure)
        if stored != expected:
            comparison.differences.append(_misplaced("tenure", stored, expected))
            return  # those that follow would differ, too
        numbers[row.id] = row.number
        origin = log.origins.get(row.id, UNKNOWN) if tenure.origin is UNKNOWN else tenure.origin
        if isinstance(origin, int) and origin not in numbers and numbers.get(row.origin_id or 0) == row.number:
            origin = row.origin_id  # a restoration gave the last tenure another id
        comparison.check(f"version {row.number}: the tenure that its rollback brought back", row.origin_id, origin)
        if origin is UNKNOWN:
            comparison.origins[row.id] = row.origin_id


def _tenure(tenure: Any) -> tuple[Any, ...] | None:
    if tenure is None:
        return None
    return (tenure.number, tenure.stage, bool(tenure.exclusive), _log_time(tenure.started_at), tenure.started_kind,
            tenure.started_entry, _log_time(tenure.ended_at), tenure.ended_kind, tenure.ended_entry)  # fmt: skip


def _check_aliases(comparison: Comparison, rows: Iterable[Any], log: replayed.ReplayedModel) -> None:
    expected = sorted(_alias(alias) for alias in log.aliases)
    stored = list(rows)
    for row in stored:
        _check_model(comparison, "alias", row)
    for one, other in zip_longest(sorted(_alias(row) for row in stored), expected):
        if one != other:
            comparison.differences.append(_misplaced("alias", one, other))
            return


def _check_model(comparison: Comparison, what: str, row: Any) -> None:
    """Compare the model of a span with that of its version, which may have the same number in another model."""
    if row is not None and row.version_of != row.model_id:
        comparison.differences.append(f"the {what} {row.id} names a version of another model")


def _alias(alias: Any) -> tuple[str, ...]:
    return (_log_time(alias.started_at) or "", alias.alias, str(alias.number), alias.started_entry,
            _log_time(alias.ended_at) or "", alias.ended_entry or "")  # fmt: skip


def _misplaced(what: str, stored: tuple[Any, ...] | None, expected: tuple[Any, ...] | None) -> str:
    if stored is None:
        return f"the {what} {_spell(expected)} of the log is gone"
    if expected is None:
        return f"the {what} {_spell(stored)} is in no entry"
    return f"the {what} {_spell(stored)} should be {_spell(expected)}"


def _spell(values: Iterable[Any] | None) -> str:
    return "(" + ", ".join(str(value) for value in values or () if value not in {None, ""}) + ")"


def _check_document(comparison: Comparison, what: str, stored: Any, expected: Any) -> None:
    if not isinstance(expected, Unknown) and not fact_digests.same(stored, expected):
        comparison.check(what, stored, expected)


def _names(key: str, sha256: str) -> bool:
    try:
        return keys.digest_of(key) == sha256
    except ValueError:
        return False


def _log_time(value: Any) -> str | None:
    """Return a time as the log has it; replayed ones are that already."""
    return value if value is None or isinstance(value, str) else clock.wire(value)


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def unlike(what: str, stored: Mapping[str, Any], expected: Mapping[str, Any]) -> Iterator[str]:
    """Return what differs between two mappings whose keys name things of one kind."""
    for name in sorted(stored.keys() | expected.keys()):
        if name not in expected:
            yield f"the {what} {_shortened(name)} is in no entry"
        elif name not in stored:
            yield f"the {what} {_shortened(name)} of the log is gone"
