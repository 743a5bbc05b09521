"""Registrations of files that the model has already: the version that they mean, and the facts that differ.

A version is meant that has the same files from the same run and is neither deleted nor failed; without a run, one with
the same files and the same lineage. What it is sent besides is compared with what it has. A fact that its first
registration sent and that was changed since counts as known: repeating a request undoes no later decision. The address,
the times and the person of the run are not compared, because each attempt of a job may have others.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import String, bindparam, or_, select
from sqlalchemy.orm import Session

from registry.db.batch import Query
from registry.db.fixed_statements import FixedStatement
from registry.db.models import Model, Version, VersionMetric
from registry.db.queries import catalog, records
from registry.db.records import EntryRecord, VersionRecord
from registry.db.write_session import writing
from registry.domain import differences
from registry.domain.access import Actor, Permission
from registry.domain.differences import Difference
from registry.domain.errors import FactsDiffer
from registry.domain.lineage import NodeKind, Snapshot
from registry.domain.registrations import Registration
from registry.domain.states import RunState, VersionState
from registry.services import audit
from registry.services.catalog import alias_requests, aliases, authority, measurements, versions
from registry.services.catalog.alias_gates import AliasRules
from registry.services.lineage import recording

CANDIDATES = 10  # versions of the same files and run that are compared, the newest ones


@dataclass(frozen=True, slots=True)
class Twin:
    """The version that a registration means; ``updated`` names the facts that were added to it."""

    version: VersionRecord
    updated: Sequence[str] = ()


def ask_for_candidates(model: str, manifest: str, registration: Registration) -> Query:
    """Return the query of the versions that the registration may mean, to be executed under the model's lock."""
    lineage = registration.lineage
    digest = "" if lineage.run else lineage.digest  # takes its time, and is not compared with a run
    asked = {"model": model, "manifest": manifest, "run": lineage.run_key, "lineage": digest}
    if registration.number is None:
        return Query(_ALIKE, **asked)
    return Query(_ALIKE_NUMBERED, **asked, number=registration.number)


def settle(
    session: Session,
    model: Model,
    candidates: Query,
    registration: Registration,
    *,
    actor: Actor,
    rules: AliasRules,
) -> Twin | None:
    """Return the version that the registration means, with what ``update`` has added; None for a new one.

    *candidates* was executed under the lock of *model*.

    Raises FactsDiffer when each of them has other facts than the request. Raises Forbidden when *actor* may not add the
    facts of the request.
    """
    refused: tuple[Version, list[Difference]] | None = None
    for row in candidates.rows:
        version = writing(session).adopt(Version, row)
        record = records.version_record(session, version)
        changed = _differences(session, version, record, registration)
        if not changed:
            return Twin(record)
        if registration.update and all(one.addable for one in changed):
            _add_facts(session, model, version, registration, changed, actor=actor, rules=rules)
            return Twin(records.version_record(session, version), [one.fact for one in changed])
        refused = refused or (version, changed)
    if refused is None:
        return None
    version, changed = refused
    origin = "run" if registration.lineage.run else "lineage"
    raise FactsDiffer(
        differences.sentence(f"{model.name}:{version.number}", origin, changed),
        version=version.number,
        differences=[one.shown() for one in changed[: differences.LISTED]],
    )


_NEWEST_ALIKE = (
    select(Version.__table__)
    .where(
        Version.model_id == catalog.live_id(bindparam("model")),
        Version.manifest_digest == bindparam("manifest"),
        Version.run_key == bindparam("run"),
        or_(bindparam("run", type_=String) != "", Version.lineage_digest == bindparam("lineage")),
        Version.state.in_([VersionState.PENDING.value, VersionState.READY.value]),
    )
    .order_by(Version.number.desc())
    .limit(CANDIDATES)
)
_ALIKE = FixedStatement(_NEWEST_ALIKE)
_ALIKE_NUMBERED = FixedStatement(_NEWEST_ALIKE.where(Version.number == bindparam("number")))


def _differences(
    session: Session, version: Version, record: VersionRecord, registration: Registration
) -> list[Difference]:
    origin = registration.origin
    fixed = [
        *differences.of_values("params", record.params, _params(registration)),
        *differences.of_value("framework", record.framework, registration.framework),
        *differences.of_value("signature", record.signature, registration.signature),
        *_since_the_first(session, version, record, registration.lineage),
        *differences.of_value("source", record.source, origin.source),
        *differences.of_value("run_link", record.run_link, origin.run_link),
        *differences.of_value("logged_model", record.logged_model, origin.logged_model),
        *differences.of_value("claimed", record.claimed, registration.claimed),
    ]
    return [*fixed, *_metrics(session, version, record, registration), *_labels(session, version, record, registration)]


def _since_the_first(session: Session, version: Version, record: VersionRecord, sent: Snapshot) -> Iterator[Difference]:
    """Yield differences of the lineage. Facts of a run's first snapshot count as known, also after the second."""
    changed = list(_lineage_differences(record, sent))
    if changed and version.run_state in {RunState.FINISHED, RunState.ABANDONED}:
        first = recording.first(session, version)
        kept = replace(record.lineage, run=first.get(NodeKind.RUN), code=first.get(NodeKind.CODE))
        earlier = replace(record, lineage=kept)
        then = {one.fact for one in _lineage_differences(earlier, sent)}
        changed = [one for one in changed if one.fact in then]
    yield from changed


def _lineage_differences(record: VersionRecord, sent: Snapshot) -> Iterator[Difference]:
    kept = record.lineage
    if sent.run:
        yield from differences.of_values("run.tags", (kept.run or {}).get("tags", {}), sent.run.tags)
    for kind, document, part in (
        ("code", kept.code, sent.code),
        ("environment", kept.environment, sent.environment),
    ):
        if part:
            yield from differences.of_values(kind, document or {}, asdict(part))
    datasets = [(one.name, {**asdict(one), "role": one.role.value}) for one in sent.datasets]
    yield from differences.of_members("datasets", kept.datasets, datasets)
    parents = [(f"{one.model}:{one.version}", asdict(one)) for one in sent.parents]
    yield from differences.of_members("parents", kept.parents, parents)
    bases = [(one.uri or one.digests[0], {**asdict(one), "digests": list(one.digests)}) for one in sent.base_models]
    yield from differences.of_members("base_models", kept.base_models, bases)


def _metrics(session: Session, version: Version, record: VersionRecord, registration: Registration) -> list[Difference]:
    """Return values that the version does not have on their dataset, neither as the latest nor as an earlier one."""
    sent = [
        (key, one.dataset_digest, one.slice, float(value))
        for one in registration.measured
        for key, value in one.metrics.items()
    ]
    on_datasets = {(one.metric, one.dataset_digest, one.slice): one.value for one in record.evaluations}
    named = {key for key, _, _ in on_datasets}
    latest = on_datasets | {(key, None, ""): value for key, value in record.metrics.items() if key not in named}
    if not (other := [one for one in sent if latest.get(one[:3]) != one[3]]):
        return []
    columns = (VersionMetric.key, VersionMetric.dataset_digest, VersionMetric.slice, VersionMetric.value)
    measured = select(*columns).distinct()
    measured = measured.where(
        VersionMetric.version_id == version.id, VersionMetric.value.in_({one[3] for one in other})
    )
    known = {tuple(row) for row in records.rows(session, measured)}
    return [
        Difference(_measured_fact(key, digest, part), latest.get((key, digest, part)), value, True)
        for key, digest, part, value in other
        if (key, digest, part, value) not in known
    ]


def _measured_fact(key: str, digest: str | None, part: str) -> str:
    """Return the name of a metric's fact; the slice of the dataset stands in brackets."""
    return f"metrics.{key}" + (f"@{digest}" if digest else "") + (f"[{part}]" if part else "")


def _labels(session: Session, version: Version, record: VersionRecord, registration: Registration) -> list[Difference]:
    """Description, tags and aliases: those that can be changed after the registration."""
    pointing = set(record.aliases)
    if version.state == VersionState.PENDING and not pointing.issuperset(registration.aliases):
        pointing.update(alias_requests.waiting_for(session, version))
    changed = [
        *differences.of_value("description", record.description or None, registration.description, addable=True),
        *differences.of_values("tags", record.tags, registration.tags, addable=True),
        *(Difference(f"aliases.{alias}", None, alias, True) for alias in registration.aliases if alias not in pointing),
    ]
    first = audit.first_of(session, version.id, "version.registered") if changed else None
    return [one for one in changed if first is None or not _was_sent(one, first)]


def _was_sent(difference: Difference, first: EntryRecord) -> bool:
    """Return whether the first registration, whose entry this is, sent the fact: it was changed since."""
    kind, _, key = difference.fact.partition(".")
    if kind == "aliases":
        return any(key in first.after.get(name, ()) for name in ("aliases", "requested_aliases"))
    if kind == "tags":
        return bool(_registered_tags(first).get(key) == difference.sent)
    return bool(first.texts.get("description") == difference.sent)


def _registered_tags(first: EntryRecord) -> dict[str, Any]:
    return json.loads(first.texts["tags"]) if "tags" in first.texts else {}


def _params(registration: Registration) -> dict[str, str]:
    """Return the params that were sent, with those of the run."""
    return {**getattr(registration.lineage.run, "params", {}), **registration.params}


def _add_facts(
    session: Session,
    model: Model,
    version: Version,
    registration: Registration,
    additions: Sequence[Difference],
    *,
    actor: Actor,
    rules: AliasRules,
) -> None:
    """Add to the version what may be added, each kind with its own audit entry."""
    actor.require(Permission.VERSION_EDIT)
    new = {kind: [one for one in additions if one.fact.partition(".")[0] == kind] for kind in _KINDS}
    asked = [one.fact.partition(".")[2] for one in new["aliases"]]
    for alias in asked:
        authority.require_to_point(actor, model, alias, rules.protected)
    measured = {one.fact for one in new["metrics"]}
    for one in registration.measured:
        added = {
            key: value
            for key, value in one.metrics.items()
            if _measured_fact(key, one.dataset_digest, one.slice) in measured
        }
        if added:
            measurements.apply_measurements(session, model, version, replace(one, metrics=added), actor=actor)
    labels = {one.fact.partition(".")[2]: one.sent for one in new["tags"]}
    waiting = version.state == VersionState.PENDING
    if labels or new["description"] or (waiting and asked):
        versions.apply_edit(
            session,
            model,
            version,
            actor=actor,
            description=registration.description if new["description"] else None,
            labels=labels,
            after={"requested_aliases": sorted(asked)} if waiting and asked else None,
            reason="registered again with update",
        )
    if waiting:
        event = audit.begin(model)
        alias_requests.ask(session, model, version, asked, event=event, actor=actor, rules=rules)
        return
    for alias in asked:
        authority.require_fit(model, alias, version, rules.protected)
        alias_requests.refuse_held(session, model, version, alias, rules.protected)
        aliases.assign(session, model, alias, version, rules, actor=actor, reason="registered again with update")


_KINDS = ("metrics", "tags", "description", "aliases")
