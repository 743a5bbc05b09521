"""Facts that follow from the entries of models, accounts and tokens, completed with rows that have digests there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from registry.domain import fact_digests, lineage
from registry.domain.evidence import holders
from registry.domain.evidence.acts import Act, Basis
from registry.domain.evidence.facts import (
    AccountFact,
    AliasFact,
    EarlierName,
    EvidenceQuery,
    FileFact,
    LineageFact,
    MeasurementFact,
    ModelFact,
    NoteFact,
    RoleFact,
    SealedState,
    TenureFact,
    VersionFact,
)
from registry.domain.evidence.history import Attestation, ModelHistory
from registry.domain.evidence.holders import Holders
from registry.domain.evidence.rows import EdgeRow, EvidenceRows, FrozenRow, MetricRow
from registry.domain.lineage import EdgeKind, NodeKind
from registry.domain.manifest import digest_of
from registry.domain.replay.access import erased_name
from registry.domain.replay.entry import UNKNOWN, Unknown
from registry.domain.replay.replayed import Alias, ReplayedTenure, ReplayedVersion

_TEXTS = ("description", "tags", "source", "location", "claimed")


@dataclass(slots=True)
class DerivedFacts:
    """The facts of some models, in the order of their creation; an implementation of ``EvidenceFacts``.

    Holds the versions and periods of the models in memory; what *rows* has is read again by each call.
    """

    query: EvidenceQuery
    sealed: SealedState
    histories: Sequence[ModelHistory]
    holders: Holders
    rows: EvidenceRows
    _names: dict[str, tuple[str | None, Basis]] = field(default_factory=dict)
    _used: dict[str, set[int]] = field(default_factory=dict)

    def models(self) -> Iterator[ModelFact]:
        for history in self.histories:
            log = history.log
            yield ModelFact(
                model=history.model,
                name=log.name,
                former_names=tuple(EarlierName(name, until) for name, _, until in log.former),
                created=self.act(history.about[0, "created"]),
                deleted=self._act_at(history, 0, "deleted", log.deleted_at),
                lifecycle=log.lifecycle,
                description=_known(log.description),
                tags=_known(log.tags),
                protected_aliases=tuple(log.protected_aliases),
                versions=len(log.versions),
                entries=history.entries,
                redacted=_redacted(history, 0, description=log.description, tags=log.tags, claimed=log.claimed),
            )

    def versions(self) -> Iterator[VersionFact]:
        for history in self.histories:
            rows = _FrozenRows(self.rows.frozen(history.model))
            for number in sorted(history.log.versions):
                if log := self.chosen(history, number):
                    yield self._version(history, log, rows.of(number))

    def files(self) -> Iterator[FileFact]:
        for history in self.histories:
            for number, files in self.rows.files(history.model):
                log = self.chosen(history, number)
                if log is None or log.manifest is None:
                    continue
                basis = Basis.DIGEST if digest_of(files) == log.manifest else Basis.ROW
                for file in sorted(files, key=lambda file: file.path.encode()):
                    yield FileFact(history.model, number, file.path, file.size, file.sha256, file.media_type, basis)

    def measurements(self) -> Iterator[MeasurementFact]:
        for history in self.histories:
            for number, metrics in self.rows.metrics(history.model):
                if log := self.chosen(history, number):
                    yield from self._measurements(history, log, metrics)

    def notes(self) -> Iterator[NoteFact]:
        for history in self.histories:
            for number, text, written in history.noted:
                if self.chosen(history, number):
                    yield NoteFact(history.model, number, text, self.act(written), text is None)

    def lineage(self) -> Iterator[LineageFact]:
        for history in self.histories:
            for number, edges in self.rows.edges(history.model):
                if log := self.chosen(history, number):
                    yield from _lineage(history.model, log, edges)

    def tenures(self) -> Iterator[TenureFact]:
        for history in self.histories:
            for tenure in history.log.tenures:
                if self.overlaps(tenure):
                    yield TenureFact(
                        model=history.model,
                        name=history.log.name,
                        version=tenure.number,
                        stage=tenure.stage,
                        since=tenure.started_at,
                        until=tenure.ended_at,
                        started_kind=tenure.started_kind,
                        ended_kind=tenure.ended_kind,
                        started=self.act(history.attested[tenure.started_entry]),
                        ended=self._ended(history, tenure),
                    )

    def aliases(self) -> Iterator[AliasFact]:
        for history in self.histories:
            for alias in history.log.aliases:
                if self.overlaps(alias):
                    yield AliasFact(
                        model=history.model,
                        name=history.log.name,
                        alias=alias.alias,
                        version=alias.number,
                        since=alias.started_at,
                        until=alias.ended_at,
                        started=self.act(history.attested[alias.started_entry]),
                        ended=self._ended(history, alias),
                    )

    def accounts(self) -> Iterator[AccountFact]:
        kinds = {account: kind for history in self.histories for account, kind in history.accounts.items()}
        for account in sorted(self.holders.concerned.accounts):
            name, basis = self._name(account)
            yield AccountFact(account, name, holders.kind_of_account(account, kinds), basis)

    def roles(self) -> Iterator[RoleFact]:
        for token, granted in self.holders.granted.items():
            replayed = self.holders.access.tokens[token]
            until, uses = holders.end_of(replayed, self.holders.access), self._uses(token)
            if self.query.since is not None and until <= self.query.since:
                continue
            yield RoleFact(
                account=replayed.owner,
                name=self.name_of(replayed.owner),
                token=token,
                roles=tuple(replayed.roles),
                since=replayed.created_at,
                until=until,
                granted=self.act(granted),
                revoked=self.act(self.holders.revoked[token]) if token in self.holders.revoked else None,
                acts=sum(use.acts for use in uses),
                first_act=min((use.first for use in uses), default=None),
                last_act=max((use.last for use in uses), default=None),
            )

    def name_of(self, account: str) -> str | None:
        """Return the name of an account; None where it was erased."""
        return self._name(account)[0]

    def _uses(self, token: str) -> list[Any]:
        return [history.uses[token] for history in self.histories if token in history.uses]

    def chosen(self, history: ModelHistory, number: int) -> ReplayedVersion | None:
        """Return a version that the query asks for: of that number, and registered or in a period in its span."""
        log = history.log.versions.get(number)
        if log is None or self.query.version not in {None, number}:
            return None
        since = self.query.since
        if since is None or log.created_at >= since:
            return log
        if history.model not in self._used:
            periods: list[ReplayedTenure | Alias] = [*history.log.tenures, *history.log.aliases]
            self._used[history.model] = {one.number for one in periods if self.overlaps(one)}
        return log if number in self._used[history.model] else None

    def overlaps(self, period: ReplayedTenure | Alias) -> bool:
        """Return whether a period is of a version and in the span that the query asks for."""
        if self.query.version not in {None, period.number}:
            return False
        return self.query.since is None or period.ended_at is None or period.ended_at > self.query.since

    def _version(self, history: ModelHistory, log: ReplayedVersion, row: FrozenRow) -> VersionFact:
        frozen, frozen_basis = _proved(row, log.frozen, fact_digests.frozen(row))
        params, params_basis = _proved(row, log.params, fact_digests.document(row.params))
        return VersionFact(
            model=history.model,
            name=history.log.name,
            version=log.number,
            registered=self.act(history.about[log.number, "registered"]),
            verified=self._act_of(history, log.number, "verified"),
            deleted=self._act_at(history, log.number, "deleted", log.deleted_at),
            purged=self._act_at(history, log.number, "purged", log.purged_at),
            state=log.state,
            stage=log.stage,
            rolled_back=log.rolled_back,
            manifest=log.manifest,
            files=log.files,
            size=int(log.size),
            lineage=log.lineage,
            description=_known(log.description),
            tags=_known(log.tags),
            source=_known(log.source),
            location=_known(log.location),
            claimed=_known(log.claimed),
            run_state=log.run_state,
            **{name: getattr(frozen, name, None) for name in fact_digests.FROZEN},
            params=None if params is None else params.params,
            basis={"frozen": frozen_basis, "params": params_basis},
            redacted=_redacted(history, log.number, **{name: getattr(log, name) for name in _TEXTS}),
        )

    def _measurements(
        self, history: ModelHistory, log: ReplayedVersion, metrics: Iterator[MetricRow]
    ) -> Iterator[MeasurementFact]:
        for at, batch in groupby(metrics, key=lambda metric: metric.recorded_at):
            rows = list(batch)
            if at not in log.metrics and at > log.measured_until:
                continue  # recorded after the entries of this archive
            basis = Basis.DIGEST if _is_recorded(rows, log.metrics.get(at, UNKNOWN)) else Basis.ROW
            entry = history.measured.get((log.number, at))
            act = None if entry is None else self.act(entry)
            for row in rows:
                yield MeasurementFact(
                    model=history.model,
                    version=log.number,
                    key=row.key,
                    value=repr(row.value),
                    step=row.step,
                    dataset=row.dataset_name,
                    dataset_digest=row.dataset_digest,
                    slice=row.slice,
                    recorded_at=at,
                    recorded_by=row.recorded_by,
                    act=act,
                    basis=basis,
                )

    def _ended(self, history: ModelHistory, period: ReplayedTenure | Alias) -> Act | None:
        return None if period.ended_entry is None else self.act(history.attested[period.ended_entry])

    def _act_of(self, history: ModelHistory, number: int, fact: str) -> Act | None:
        attestation = history.about.get((number, fact))
        return None if attestation is None else self.act(attestation)

    def _act_at(self, history: ModelHistory, number: int, fact: str, at: str | None) -> Act | None:
        """Return the act of this time; None where there is none, or where it was taken back."""
        act = self._act_of(history, number, fact)
        return act if act is not None and act.at == at else None

    def act(self, attestation: Attestation) -> Act:
        """Return the act that an entry attests."""
        actor = attestation.actor
        token = actor["cred"] or None
        return Act(
            position=attestation.position,
            entry=attestation.entry,
            at=attestation.at,
            action=attestation.action,
            account=actor["id"],
            name=self.name_of(actor["id"]),
            kind=actor["kind"],
            token=token,
            roles=token and self.holders.roles_of(token),
            issuer=actor.get("issuer"),
            reason=attestation.reason,
            redacted=attestation.redacted,
        )

    def _name(self, account: str) -> tuple[str | None, Basis]:
        if account not in self._names:
            self._names[account] = self._read_name(account)
        return self._names[account]

    def _read_name(self, account: str) -> tuple[str | None, Basis]:
        replayed = self.holders.access.accounts.get(account)
        name = UNKNOWN if replayed is None else replayed.name
        if not isinstance(name, Unknown):
            return (None if name == erased_name(account) else name), Basis.ENTRIES
        stored = self.rows.names([account]).get(account)
        return (None if stored == erased_name(account) else stored), Basis.ROW


class _FrozenRows:
    """Rows in the order of their versions' numbers."""

    def __init__(self, rows: Iterator[FrozenRow]) -> None:
        self._rows = rows
        self._next = next(rows, None)

    def of(self, number: int) -> FrozenRow:
        """Return the row of a version; one without values where there is none."""
        while self._next is not None and self._next.number < number:
            self._next = next(self._rows, None)
        if self._next is not None and self._next.number == number:
            return self._next
        return FrozenRow(number, None, None, None, None, None, None, None)


def _proved(row: FrozenRow, logged: str | Unknown, digest: str) -> tuple[FrozenRow | None, Basis]:
    """Return the row with its basis; None where an entry has another digest of it."""
    if isinstance(logged, Unknown):
        return row, Basis.ROW
    return (row, Basis.DIGEST) if logged == digest else (None, Basis.ROW)


def _known(text: Any) -> Any:
    return None if isinstance(text, Unknown) else text


def _redacted(history: ModelHistory, number: int, **texts: Any) -> tuple[str, ...]:
    """Return the names of the texts that are gone: now, or recorded as erased."""
    gone = {name for name, text in texts.items() if isinstance(text, Unknown)}
    return tuple(sorted(gone | history.redacted.get(number, set())))


def _is_recorded(rows: Sequence[MetricRow], logged: Any) -> bool:
    """Return whether an entry has the digest of these measurements, or their values as earlier releases recorded."""
    if isinstance(logged, Mapping):
        return {row.key: repr(float(row.value)) for row in rows} == logged
    return bool(logged == fact_digests.metrics(
        (row.key, row.value, row.step, row.dataset_digest, row.dataset_name, row.slice, row.recorded_by) for row in rows
    ))  # fmt: skip


def _lineage(model: str, log: ReplayedVersion, edges: Sequence[EdgeRow]) -> Iterator[LineageFact]:
    digest = fact_digests.edges((edge.kind, edge.role, str(edge.target), edge.key) for edge in edges)
    has_digest, has_parents = digest == log.edges, _digest_of(edges) == log.lineage
    for edge in edges:
        # The key of a version is the id of its row: only the digest of the whole lineage has its name.
        node = None if edge.target is NodeKind.VERSION else _node_of(edge)
        is_content = node is not None and (node.key, node.name) == (edge.key, edge.name)
        proved = has_parents or (has_digest and is_content)
        yield LineageFact(
            model=model,
            version=log.number,
            kind=edge.kind,
            role=edge.role,
            target=str(edge.target),
            name=edge.name,
            key=edge.key,
            digests=() if node is None else tuple(sorted(node.digests)),
            attributes=edge.attributes,
            basis=Basis.DIGEST if proved and (is_content or edge.target is NodeKind.VERSION) else Basis.ROW,
        )


def _node_of(edge: EdgeRow) -> lineage.Node | None:
    """Return the node that the content of an edge's target makes; None for what is no such content."""
    try:
        return lineage.node_of(edge.target, edge.attributes)
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _digest_of(edges: Sequence[EdgeRow]) -> str | None:
    """Return the digest of the lineage that was registered; None for edges that no registration makes."""
    nodes = {kind: [edge for edge in edges if edge.target is kind] for kind in NodeKind}
    single = {kind: next((edge.attributes for edge in nodes[kind]), None) for kind in NodeKind}
    try:
        parents = [
            (*edge.name.rpartition(":"), edge.role)
            for edge in nodes[NodeKind.VERSION]
            if edge.kind == EdgeKind.DERIVED_FROM
        ]
        snapshot = lineage.Snapshot(
            run=lineage.run_of(run) if (run := single[NodeKind.RUN]) else None,
            code=lineage.Code(**code) if (code := single[NodeKind.CODE]) else None,
            environment=lineage.Environment(**found) if (found := single[NodeKind.ENVIRONMENT]) else None,
            datasets=tuple(
                lineage.dataset_of({**edge.attributes, "role": edge.role}) for edge in nodes[NodeKind.DATASET]
            ),
            parents=tuple(
                lineage.parent_of({"model": model, "version": int(number), "relation": role})
                for model, _, number, role in parents
            ),
            base_models=tuple(
                lineage.base_model_of({**edge.attributes, "relation": edge.role}) for edge in nodes[NodeKind.MODEL]
            ),
        )
        return snapshot.digest
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
