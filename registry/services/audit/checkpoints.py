"""Checkpoints: entries of the chain ``log`` that name the heads of all other chains.

A chain that is removed together with its owner, or cut short together with its head, contradicts them.
"""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.db.base import Chained
from registry.db.bulk_insert import insert_missing
from registry.db.models import Chain, CheckpointedHead, Model
from registry.db.session import transaction
from registry.domain.access import SYSTEM
from registry.domain.audit import AuditEntryDraft
from registry.domain.replay.checkpoints import CHECKPOINT
from registry.services.audit.recording import LOG, aggregate_of, begin, lock_chain, record

HEADS = 500  # in one entry


def checkpoint() -> bool:
    """Record the heads of chains that grew since the last checkpoint; returns whether there may be more of them.

    Without any growth nothing is written. Any number of workers may call it at once. Locks the chain ``log`` only.
    """
    with transaction() as session:
        log = lock_chain(session, LOG)
        grown = _grown(session)
        chains = session.scalars(select(Chain).where(Chain.aggregate != LOG, Chain.audit_seq > 0)).all()
        if not grown and all(chain.clock_at <= log.clock_at for chain in chains):
            return False
        owners: list[Chained] = [*grown, *chains]
        heads = {aggregate_of(head): [head.audit_seq, head.audit_head] for head in owners}
        draft = AuditEntryDraft(CHECKPOINT, {}, after={"chains": len(heads)}, facts={"heads": heads})
        record(session, log, begin(log), draft, actor=SYSTEM)
        _remember(session, grown)
        return len(grown) == HEADS


def _grown(session: Session) -> list[Model]:
    named = CheckpointedHead.model_id == Model.id
    statement = select(Model).outerjoin(CheckpointedHead, named)
    statement = statement.where((CheckpointedHead.seq.is_(None)) | (CheckpointedHead.seq < Model.audit_seq))
    statement = statement.order_by(Model.id).limit(HEADS)
    return list(session.scalars(statement.execution_options(populate_existing=True)))


def _remember(session: Session, grown: list[Model]) -> None:
    rows = [{"model_id": model.id, "seq": model.audit_seq} for model in grown]
    insert_missing(session, CheckpointedHead, rows, key=["model_id"])
    for model in grown:
        session.merge(CheckpointedHead(model_id=model.id, seq=model.audit_seq))
