"""Rows of a new version, and of the work that it waits for."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from registry.db.bulk_insert import insert_whole
from registry.db.models import Import, Model, RunRefresh, Version
from registry.db.queries import catalog
from registry.domain import fact_digests
from registry.domain.access import Actor, Permission
from registry.domain.errors import Conflict
from registry.domain.fact_digests import Edge, Measured
from registry.domain.manifest import Manifest
from registry.domain.registrations import Followed, Registration
from registry.domain.states import ImportState, RefreshState, RunState, VersionState
from registry.services import audit
from registry.services.audit import row_seals

FIRST_LOOK_AFTER = timedelta(seconds=5)  # at a run that was unfinished


def import_row(version: Version, facts: Mapping[str, Any], *, actor: Actor) -> Import:
    import_row = Import(
        id=str(uuid.uuid4()),
        model_id=version.model_id,
        version_id=version.id,
        number=version.number,
        source=version.source or "",
        facts=dict(facts),
        state=ImportState.PENDING,
        files=0,
        bytes=0,
        created_at=version.created_at,
        created_by=actor.id,
        token_id=actor.lasting_token_id,
    )
    row_seals.seal_import(import_row)
    return import_row


def refresh_row(version: Version, followed: Followed, *, event: audit.Event, actor: Actor) -> RunRefresh:
    refresh = RunRefresh(
        id=str(uuid.uuid4()),
        model_id=version.model_id,
        version_id=version.id,
        server=followed.server,
        run_id=followed.run_id,
        logged_model=followed.logged_model,
        state=RefreshState.WAITING,
        due_at=event.at + FIRST_LOOK_AFTER,
        created_at=event.at,
        created_by=actor.id,
    )
    row_seals.seal_refresh(refresh)
    return refresh


def insert_version(
    session: Session,
    model: Model,
    registration: Registration,
    sealed: Manifest | None,
    *,
    state: VersionState,
    event: audit.Event,
    actor: Actor,
) -> Version:
    origin, run = registration.origin, registration.lineage.run
    row = {
        "model_id": model.id,
        "number": _next_number(session, model, registration, actor),
        "state": state.value,
        "stage": "none",
        "rolled_back": False,
        "manifest_digest": sealed.digest if sealed else None,
        "run_key": registration.lineage.run_key,
        "lineage_digest": registration.lineage.digest,
        "file_count": len(sealed.files) if sealed else 0,
        "size": sealed.size if sealed else 0,
        "description": registration.description,
        "framework": registration.framework,
        "signature": dict(registration.signature) if registration.signature is not None else None,
        "source": origin.source,
        "location": origin.location,
        "run_id": origin.run_id or (run.id if run else None),
        "run_link": origin.run_link,
        "logged_model": origin.logged_model,
        "run_state": RunState.UNFINISHED.value if registration.follows else None,
        "row_version": 1,
        "created_at": event.at,
        "created_by": actor.id,
        "updated_at": event.at,
        "revised_at": event.at,
        "claimed": dict(registration.claimed) if registration.claimed else None,
    }
    version = insert_whole(session, Version, row)
    model.latest_number = max(version.number, model.latest_number or 0)
    model.next_number = max(version.number + 1, model.next_number)
    catalog.touch(model, event.at)
    return version


def _next_number(session: Session, model: Model, registration: Registration, actor: Actor) -> int:
    """Return the next number, or the one from another registry. Raises Forbidden, or Conflict for one that was used."""
    if registration.claimed is not None or registration.number is not None:
        actor.require(Permission.VERSION_IMPORT)
    if registration.number is None:
        return model.next_number
    if registration.number < model.next_number and catalog.number_used(session, model, registration.number):
        raise Conflict(
            f"the number {registration.number} of {model.name!r} is used up: no number ever means two versions"
        )
    return registration.number


def registration_facts(
    version: Version, *, params: Mapping[str, str], metrics: Sequence[Measured], edges: Sequence[Edge]
) -> dict[str, str]:
    return {
        "frozen": fact_digests.frozen(version),
        "params": fact_digests.params(params),
        "metrics": fact_digests.metrics(metrics),
        "edges": fact_digests.edges(edges),
    }


def blob_facts(keys: Mapping[str, str] | None) -> dict[str, str]:
    return {} if keys is None else {"blobs": fact_digests.blobs(keys)}
