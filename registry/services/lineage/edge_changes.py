"""Changes of edges: statements that add, retract or reinstate them, with the audit entry that states them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session, aliased

from registry.db.base import Chained
from registry.db.batch import Query
from registry.db.bulk_insert import insert_rows
from registry.db.fixed_statements import FixedStatement
from registry.db.models import LineageEdge, LineageNode, LineageStatement, Version
from registry.db.queries.lineage_edges import is_in_force
from registry.db.queries.places import is_place
from registry.db.records import EdgeRecord
from registry.db.write_session import writing
from registry.domain import canonical_json, fact_digests
from registry.domain.access import Actor
from registry.domain.audit import AuditEntryDraft
from registry.domain.lineage import EdgeKind, Node, StatementVerb
from registry.services import audit
from registry.services.lineage import cycles, edges, recording

Key = tuple[str, str]  # kind and key of a node


class PlannedEdge(NamedTuple):
    """An edge by its ends, whether it is stored or not."""

    kind: EdgeKind
    role: str
    source: Key
    target: Key


def key_of(node: Node) -> Key:
    """Return what finds the row of a node."""
    return node.kind.value, node.key


class Observation(NamedTuple):
    """What became of edges that an event states: the entry, the number of new ones, and ids of retracted ones."""

    entry: str | None
    added: int
    retracted: Sequence[int]


_SOURCE, _TARGET = aliased(LineageNode), aliased(LineageNode)
_STATE = FixedStatement(
    select(LineageEdge.id, is_in_force(LineageEdge).label("is_in_force"))
    .join(_SOURCE, _SOURCE.id == LineageEdge.source_id)
    .join(_TARGET, _TARGET.id == LineageEdge.target_id)
    .where(
        LineageEdge.kind == bindparam("kind"),
        LineageEdge.role == bindparam("role"),
        _SOURCE.kind == bindparam("source_kind"),
        _SOURCE.key == bindparam("source_key"),
        _TARGET.kind == bindparam("target_kind"),
        _TARGET.key == bindparam("target_key"),
    )
)
_NODE = FixedStatement(
    select(LineageNode.id, is_place(LineageNode).label("is_place")).where(
        LineageNode.kind == bindparam("kind"), LineageNode.key == bindparam("key")
    )
)


class EdgeChange:
    """Statements about planned edges, with their entry in one locked chain; ``ids`` are those of the edges."""

    def __init__(
        self,
        session: Session,
        chain: Chained,
        planned: Sequence[PlannedEdge],
        nodes: Iterable[Node],
        *,
        actor: Actor,
        reason: str | None = None,
        event: str | None = None,
    ) -> None:
        self._session, self._chain, self._actor = session, chain, actor
        self._texts = audit.texts(reason=reason, event=event)
        self._planned = [*dict.fromkeys(planned)]
        self._nodes = [(key_of(node), node) for node in nodes]
        self.ids: Sequence[int] = []

    def apply(self, version: Version | None, *, retract: bool = False, reinstate: bool = True) -> str | None:
        """Write the statements that change something, and their entry; return its id, or None. Raises ClosesCycle."""
        event = audit.begin(self._chain)
        recording.keep_nodes(self._session, {}, self._nodes, at=event.at)
        before = self._states()
        if retract:
            verbs = {edge: StatementVerb.RETRACTED for edge, state in before.items() if state and state.is_in_force}
        else:
            verbs = {
                edge: StatementVerb.REINSTATED if state else StatementVerb.ADDED
                for edge, state in before.items()
                if state is None or (reinstate and not state.is_in_force)
            }
            self._require_no_cycle(verbs)
        return self._write(version, event, verbs)

    def observe(self) -> Observation:
        """Add the edges that are not stored, also where they close a cycle; retracted ones stay retracted."""
        event = audit.begin(self._chain)
        recording.keep_nodes(self._session, {}, self._nodes, at=event.at)
        before = self._states()
        new = {edge: StatementVerb.ADDED for edge, state in before.items() if state is None}
        retracted = [state.id for state in before.values() if state and not state.is_in_force]
        return Observation(self._write(None, event, new), len(new), retracted)

    def _write(
        self, version: Version | None, event: audit.Event, verbs: Mapping[PlannedEdge, StatementVerb]
    ) -> str | None:
        added = [edge for edge, verb in verbs.items() if verb is StatementVerb.ADDED]
        recording.draw(self._session, added, at=event.at)
        ids = {edge: state.id for edge, state in self._states().items()}
        self.ids = [*ids.values()]
        if not verbs:
            return None
        rows = [
            {"edge_id": ids[edge], "verb": verb.value, "entry_uid": event.uid, "created_at": event.at}
            for edge, verb in verbs.items()
        ]
        insert_rows(self._session, LineageStatement, rows)
        self._record(version, event, verbs, [ids[edge] for edge in verbs])
        return event.uid

    def _states(self) -> Mapping[PlannedEdge, Any]:
        """Return the id of each planned edge, and whether it is in force; None for one that is not stored."""
        queries = {
            edge: Query(
                _STATE,
                kind=edge.kind.value,
                role=edge.role,
                source_kind=edge.source[0],
                source_key=edge.source[1],
                target_kind=edge.target[0],
                target_key=edge.target[1],
            )
            for edge in self._planned
        }
        writing(self._session).ask(*queries.values())
        return {edge: query.rows[0] if query.rows else None for edge, query in queries.items()}

    def _require_no_cycle(self, planned: Iterable[PlannedEdge]) -> None:
        ends: dict[tuple[EdgeKind, Key], list[Key]] = {}
        for edge in planned:
            ends.setdefault((edge.kind, edge.source), []).append(edge.target)
        for (kind, source), targets in ends.items():
            queries = [Query(_NODE, kind=key[0], key=key[1]) for key in (source, *targets)]
            writing(self._session).ask(*queries)
            own, *others = (query.rows[0] for query in queries)
            if not own.is_place:  # data at a place changes: a job may read what another one makes of its output
                cycles.require_none(self._session, kind, own.id, [other.id for other in others])

    def _record(
        self,
        version: Version | None,
        event: audit.Event,
        verbs: Mapping[PlannedEdge, StatementVerb],
        ids: Sequence[int],
    ) -> None:
        states = [*verbs.values()]
        verb = StatementVerb.ADDED if StatementVerb.ADDED in states else states[0]
        rows = [(one.value, edge.kind.value, edge.role, *edge.source, *edge.target) for edge, one in verbs.items()]
        subject = {"model": getattr(self._chain, "name"), "version": version.number} if version else {}  # noqa: B009 -- the chain of a version is a model's
        draft = AuditEntryDraft(
            verb.of_version if version else verb.of_data,
            subject,
            after={"edges": len(verbs)},
            texts={"edges": _listed(edges.read(self._session, ids), states), **self._texts},
            facts={"statements": fact_digests.statements(rows)},
        )
        audit.record(self._session, self._chain, event, draft, actor=self._actor, version=version)


def _listed(changed: Sequence[EdgeRecord], verbs: Sequence[StatementVerb]) -> str:
    """Return the statements as JSON; they are a text of the entry, so that names and addresses can be redacted."""
    documents = [
        {
            "statement": verb.value,
            "edge": edge.id,
            "relation": edge.kind,
            "role": edge.role,
            **{end: {"kind": node.kind, "name": node.name, "digests": [*node.digests]}
               for end, node in (("source", edge.source), ("target", edge.target))},
        }
        for edge, verb in zip(changed, verbs, strict=True)
    ]  # fmt: skip
    return canonical_json.dumps(documents).decode()
