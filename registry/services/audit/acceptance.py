"""Acceptance of the clock by an operator, after a wrong clock dated entries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from registry.db import times
from registry.db.models import Chain, Model, UncertainTime
from registry.db.queries import catalog
from registry.db.session import transaction
from registry.domain import clock
from registry.domain.access import SYSTEM
from registry.domain.audit import AuditEntryDraft
from registry.services.audit.clocks import ACCEPTED, last_plausible
from registry.services.audit.recording import REGISTRY, aggregate_of, begin, lock_chain, record, texts


@dataclass(frozen=True, slots=True)
class Acceptance:
    """``at`` is the time that was accepted; ``models`` are those whose latest entries are ahead of it."""

    at: datetime
    models: list[str]


def accept_clock(reason: str) -> Acceptance:
    """Take the database's clock as right: chains whose latest entry is ahead of it can be written again.

    Each gets an uncertain span, from its last plausible entry to its latest. Processes that refuse to write since the
    clock was set compare it with the accepted one from now on. Recorded as ``clock.accepted``.
    """
    with transaction() as session:
        registry = lock_chain(session, REGISTRY)
        now = times.now()
        latest = now + times.TOLERANCE
        ids = session.scalars(select(Model.id).where(Model.clock_at > latest).order_by(Model.id)).all()
        models = [catalog.lock_model_by_id(session, model_id) for model_id in ids]
        others = session.scalars(select(Chain).where(Chain.clock_at > latest).with_for_update()).all()
        ahead: list[Model | Chain] = [*models, *others]
        spans = []
        for chain in ahead:
            aggregate = aggregate_of(chain)
            since = last_plausible(session, aggregate, before=latest)
            model_id = chain.id if isinstance(chain, Model) else None
            session.add(UncertainTime(aggregate=aggregate, model_id=model_id, since=since, until=chain.clock_at))
            spans.append([aggregate, clock.wire(since), clock.wire(chain.clock_at)])
        session.flush()  # the entry below looks for the span of its chain
        names = sorted(model.name for model in models)
        draft = AuditEntryDraft(
            ACCEPTED,
            {},
            after={"clock": clock.wire(now), "models": len(names)},
            texts=texts(reason=reason),
            facts={"uncertain": sorted(spans)},
        )
        record(session, registry, begin(registry), draft, actor=SYSTEM)
        return Acceptance(now, names)
