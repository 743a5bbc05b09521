"""Statements: recorded facts, each of one kind and with the entry that attests it.

A statement holds labels and recorded values, and no words about what they mean: nothing is derived that was not
recorded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from registry.domain.evidence.acts import Act, Basis
from registry.domain.evidence.facts import (
    AccountFact,
    AliasFact,
    EvidenceFacts,
    LineageFact,
    MeasurementFact,
    ModelFact,
    RoleFact,
    SealedState,
    TenureFact,
    VersionFact,
)
from registry.domain.evidence.governance_statements import of_governance
from registry.domain.evidence.kinds import FactKind
from registry.domain.evidence.statement import Statement, attested_by, shown
from registry.domain.lineage import DatasetRole, NodeKind
from registry.domain.stages import Stage, TransitionKind

MOST = 500
"""The statements that are kept of each kind; the others are counted, and are in the documents of the facts."""

_DATA = {
    DatasetRole.TRAIN: FactKind.TRAINING_DATA,
    DatasetRole.FINETUNE: FactKind.TRAINING_DATA,
    DatasetRole.VALIDATION: FactKind.EVALUATION_DATA,
    DatasetRole.TEST: FactKind.EVALUATION_DATA,
}
_TARGETS = {
    NodeKind.RUN: FactKind.RUN,
    NodeKind.CODE: FactKind.CODE,
    NodeKind.ENVIRONMENT: FactKind.ENVIRONMENT,
    NodeKind.VERSION: FactKind.PARENT,
    NodeKind.MODEL: FactKind.BASE_MODEL,
}


@dataclass(slots=True)
class StatementsOfKind:
    """Statements of one kind, up to :data:`MOST`, and how many there are."""

    statements: list[Statement] = field(default_factory=list)
    total: int = 0


def collect(facts: EvidenceFacts) -> Mapping[FactKind, StatementsOfKind]:
    """Return the statements by kind, in the order of the facts."""
    collected: dict[FactKind, StatementsOfKind] = {}
    for statement in _with_erased_reasons(_stated(facts)):
        found = collected.setdefault(statement.kind, StatementsOfKind())
        found.total += 1
        if len(found.statements) < MOST:
            found.statements.append(statement)
    return collected


def _stated(facts: EvidenceFacts) -> Iterator[Statement]:
    for model in facts.models():
        yield from _of_model(model)
    frozen_by: dict[tuple[str, int], Act | None] = {}
    for version in facts.versions():
        frozen_by[version.model, version.version] = _frozen_by(version)
        yield from _of_version(version)
    for edge in facts.lineage():
        yield _of_edge(edge, frozen_by.get((edge.model, edge.version)))
    for measurement in facts.measurements():
        yield _of_measurement(measurement)
    for tenure in facts.tenures():
        yield from _of_tenure(tenure)
    for alias in facts.aliases():
        yield from _of_alias(alias)
    for role in facts.roles():
        yield _of_role(role)
    for account in facts.accounts():
        yield _of_account(account)
    yield from of_governance(facts)
    yield _of_log(facts.sealed)


def _with_erased_reasons(statements: Iterable[Statement]) -> Iterator[Statement]:
    """Yield the statements, and one for each of their entries whose reason was erased."""
    seen: set[str] = set()
    for statement in statements:
        yield statement
        attested = statement.attested
        if attested and attested.redacted and attested.entry not in seen:
            seen.add(attested.entry)
            values = shown({"erased reason of": attested.action})
            yield Statement(FactKind.REDACTION, statement.document, values, attested, "entries", statement.version)


def _of_model(model: ModelFact) -> Iterator[Statement]:
    def state(kind: FactKind, values: Mapping[str, Any], act: Act | None = None) -> Statement:
        return Statement(kind, "models", shown(values), attested_by(act), "entries")

    former = [name.name for name in model.former_names]
    yield state(
        FactKind.MODEL,
        {
            "model": model.name,
            "former names": former,
            "lifecycle": model.lifecycle,
            "versions": model.versions,
            "entries": model.entries,
        },
        model.created,
    )
    if model.description:
        yield state(FactKind.DESCRIPTION, {"description of the model": model.description})
    for key, value in sorted((model.tags or {}).items()):
        yield state(FactKind.TAG, {"tag": key, "value": value})
    if model.deleted:
        yield state(FactKind.CHANGE, {"deleted model": model.name, "reason": model.deleted.reason}, model.deleted)
    for name in model.redacted:
        yield state(FactKind.REDACTION, {"erased text of the model": name})


def _frozen_by(version: VersionFact) -> Act | None:
    """Return the entry that has the digests of what is frozen; None where a later one may have others.

    An import fetches files and lineage after the registration. A run that is read again adds to them later still, by
    entries that the facts do not name.
    """
    if version.run_state is not None:
        return None
    fetched = version.verified is not None and version.verified.action == "version.fetched"
    return version.verified if fetched else version.registered


def _of_version(version: VersionFact) -> Iterator[Statement]:
    number, frozen_by = version.version, _frozen_by(version)

    def state(kind: FactKind, values: Mapping[str, Any], act: Act | None, basis: str = "entries") -> Statement:
        return Statement(kind, "versions", shown(values), attested_by(act), basis, number)

    yield state(
        FactKind.VERSION,
        {"version": number, "state": version.state, "stage": version.stage, "reason": version.registered.reason},
        version.registered,
    )
    if version.manifest:
        yield state(
            FactKind.FILE,
            {"manifest": version.manifest, "files": version.files, "bytes": version.size},
            version.verified or version.registered,
        )
    if version.framework:
        yield state(FactKind.FRAMEWORK, {"framework": version.framework}, frozen_by, version.basis["frozen"])
    if version.signature:
        yield state(FactKind.SIGNATURE, {"signature": version.signature}, frozen_by, version.basis["frozen"])
    for key, value in sorted((version.params or {}).items()):
        yield state(FactKind.PARAMETER, {"parameter": key, "value": value}, frozen_by, version.basis["params"])
    if version.description:
        yield state(FactKind.DESCRIPTION, {"description of the version": version.description}, None)
    for key, value in sorted((version.tags or {}).items()):
        yield state(FactKind.TAG, {"tag": key, "value": value}, None)
    if version.deleted:
        yield state(FactKind.CHANGE, {"deleted version": number, "reason": version.deleted.reason}, version.deleted)
    if version.purged:
        yield state(FactKind.CHANGE, {"purged version": number, "reason": version.purged.reason}, version.purged)
    for name in version.redacted:
        yield state(FactKind.REDACTION, {"erased text of the version": name}, None)


def _of_edge(edge: LineageFact, frozen_by: Act | None) -> Statement:
    target = NodeKind(edge.target)
    kind = _TARGETS[target] if target in _TARGETS else _DATA.get(DatasetRole(edge.role or "other"), FactKind.OTHER_DATA)
    recorded = {key: value for key, value in sorted(edge.attributes.items()) if key not in {"name", "digests"}}
    values = {edge.target: edge.name, "role": edge.role, "digests": list(edge.digests), **recorded}
    attested = attested_by(frozen_by) if edge.basis == Basis.DIGEST else None
    return Statement(kind, "lineage", shown(values), attested, edge.basis, edge.version)


def _of_measurement(measured: MeasurementFact) -> Statement:
    values = {
        "metric": measured.key,
        "value": measured.value,
        "step": measured.step,
        "data": measured.dataset,
        "digest of the data": measured.dataset_digest,
        "slice of the data": measured.slice or None,
    }
    attested = attested_by(measured.act)
    return Statement(FactKind.METRIC, "measurements", shown(values), attested, measured.basis, measured.version)


def _of_tenure(tenure: TenureFact) -> Iterator[Statement]:
    def state(kind: FactKind, values: Mapping[str, Any], act: Act) -> Statement:
        return Statement(kind, "tenures", shown(values), attested_by(act), "entries", tenure.version)

    if tenure.stage == Stage.PRODUCTION:
        yield state(
            FactKind.PRODUCTION,
            {"from": tenure.since, "until": tenure.until, "ended by": tenure.ended_kind},
            tenure.started,
        )
    yield state(
        FactKind.DECISION,
        {"move": tenure.started_kind, "to": tenure.stage, "reason": tenure.started.reason},
        tenure.started,
    )
    # The entry of another end begins a period of this version or of the one that displaced it.
    if tenure.ended and tenure.ended_kind == TransitionKind.DEMOTE:
        ended = {"move": tenure.ended_kind, "from": tenure.stage, "reason": tenure.ended.reason}
        yield state(FactKind.DECISION, ended, tenure.ended)


def _of_alias(alias: AliasFact) -> Iterator[Statement]:
    for act, change in ((alias.started, "alias set"), (alias.ended, "alias moved or deleted")):
        if act:
            values = {change: alias.alias, "reason": act.reason}
            yield Statement(FactKind.CHANGE, "aliases", shown(values), attested_by(act), "entries", alias.version)


def _of_role(role: RoleFact) -> Statement:
    values = {
        "account": role.name or role.account,
        "roles": list(role.roles),
        "from": role.since,
        "until": role.until,
        "entries": role.acts,
    }
    return Statement(FactKind.ROLE, "roles", shown(values), attested_by(role.granted), "entries")


def _of_account(account: AccountFact) -> Statement:
    values = {"account": account.account, "name": account.name, "kind": account.kind}
    return Statement(FactKind.ACTOR, "accounts", shown(values), None, account.basis)


def _of_log(sealed: SealedState) -> Statement:
    values = {"log": sealed.origin, "entries in the log": sealed.size, "root": sealed.root, "latest entry": sealed.at}
    return Statement(FactKind.LOG, "checkpoint", shown(values), None, "checkpoint")
