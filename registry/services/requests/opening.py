"""Open requests for approval: for a move, or for another policy."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from registry.db import times
from registry.db.base import Chained
from registry.db.batch import Query
from registry.db.bulk_insert import insert_rows
from registry.db.models import Model, Request, Version
from registry.db.queries import catalog, governance
from registry.db.records import RequestRecord
from registry.db.write_session import writing
from registry.domain import canonical_json, requests, validation
from registry.domain.access import Actor, Permission
from registry.domain.audit import AuditEntryDraft
from registry.domain.errors import AlreadyExists, Conflict, Invalid
from registry.domain.requests import RequestState
from registry.domain.stages import Stage
from registry.rules import names
from registry.rules.policies.document import Policy
from registry.services import audit
from registry.services.gates import approvals, assignments, documents
from registry.services.idempotency import Claim
from registry.services.requests import showing
from registry.services.unit_of_work import unit_of_work

STAGES = (Stage.STAGING.value, Stage.PRODUCTION.value)


@dataclass(frozen=True, slots=True)
class Proposal:
    """What is requested: that a version moves to ``target`` (a stage, or ``@`` and an alias), or another policy.

    For the target ``policy``, ``document`` is the policy; None removes the model's own one. ``model`` None is the
    default policy. ``expires_in`` is at most 30 days.
    """

    target: str
    reason: str
    model: str | None = None
    version: int | None = None
    document: Mapping[str, Any] | str | None = None
    apply_when_ready: bool = False
    expires_in: timedelta = requests.EXPIRY


def open_(proposal: Proposal, *, actor: Actor, claim: Claim | None = None) -> RequestRecord:
    """Open a request for approval, bound to the files of the version, the policy and the holder of the target.

    Raises NotFound, also where there is no policy to remove, Invalid, Conflict for what is deleted and where the target
    is reached already, AlreadyExists where such a request is open, or Forbidden for ``apply_when_ready`` without the
    permission that the move needs.
    """
    validation.require_reason(proposal.reason)
    policy = _checked(proposal)
    if proposal.apply_when_ready:
        needed = Permission.POLICY_SET if proposal.target == requests.POLICY else Permission.VERSION_PROMOTE
        actor.require(needed, because="a request that is applied when it is ready acts in your name")
        if actor.lasting_token_id is None:
            raise Invalid.field(
                "apply_when_ready",
                "needs an API token, which a worker acts with later; without one (--dev) apply the request by hand",
            )
    with unit_of_work(claim) as unit:
        chain, version = _lock(unit.session, proposal)
        model = chain if isinstance(chain, Model) else None
        event = audit.begin(chain)
        binding = approvals.ask_for_binding(
            model.id if model else None, proposal.target, version.id if version else None
        )
        same, latest = _ask_for_same(model, version, proposal, policy), assignments.ask_for_latest(proposal.model)
        writing(unit.session).ask(binding, same, *([latest] if proposal.target == requests.POLICY else []))
        if proposal.target == requests.POLICY:
            _refuse_no_change(latest.rows[0] if latest.rows else None, proposal, policy)
        _refuse_second(unit.session, same)
        row = {
            "id": str(uuid.uuid4()),
            "model_id": model.id if model else None,
            "target": proposal.target,
            "policy_digest": policy.digest if policy else None,
            "requested_by": actor.id,
            "issuer_id": actor.issuer_id if actor.is_issued_by_another else None,
            "token_id": actor.lasting_token_id,
            **_bound(version, binding.rows[0]),
            "apply_when_ready": proposal.apply_when_ready,
            "opened_at": event.at,
            "opened_entry": event.uid,
            "expires_at": event.at + proposal.expires_in,
            "state": RequestState.OPEN.value,
            "due_at": event.at if proposal.apply_when_ready else None,
        }
        insert_rows(unit.session, Request, [row])
        draft = _draft(chain, proposal, policy, version, row)
        audit.record(unit.session, chain, event, draft, actor=actor, version=version)
        unit.remember(request=row["id"])
        return showing.read(unit.session, row["id"])


def _checked(proposal: Proposal) -> Policy | None:
    """Return the requested policy, if any. Raises Invalid for a proposal that names too much or too little."""
    if not timedelta(minutes=1) <= proposal.expires_in <= requests.LONGEST_EXPIRY:
        raise Invalid.field("expires_in", f"must be 60 to {requests.LONGEST_EXPIRY // timedelta(seconds=1)} seconds")
    if proposal.target == requests.POLICY:
        if proposal.version is not None:
            raise Invalid.field("version", "is not for a policy, which guards all versions; leave it out")
        return None if proposal.document is None else documents.parse(proposal.document)
    if proposal.document is not None:
        raise Invalid.field("document", "is for the target policy only; leave it out")
    if proposal.model is None or proposal.version is None:
        raise Invalid.field("version" if proposal.model else "model", "is required for a stage or an alias")
    if proposal.target.startswith("@"):
        validation.require(names.prompt_alias_problem, "target", proposal.target[1:])
    elif proposal.target not in STAGES:
        raise Invalid.field("target", "must be staging, production, @ and an alias, or policy")
    return None


def _lock(session: Session, proposal: Proposal) -> tuple[Chained, Version | None]:
    if proposal.model is None:
        return audit.lock_chain(session, audit.REGISTRY, *governance.share_rules(session)), None
    looks = governance.share_rules(session)
    if proposal.version is None:
        return catalog.lock_model(session, proposal.model, *looks), None
    model, version = catalog.lock_live_version(session, proposal.model, proposal.version, *looks)
    if version.stage == proposal.target:
        raise Conflict(f"version {version.number} of {model.name!r} is in {proposal.target} already")
    return model, version


def _ask_for_same(model: Model | None, version: Version | None, proposal: Proposal, policy: Policy | None) -> Query:
    if version is None:
        return approvals.ask_for_policy(model.id if model else None, policy.digest if policy else None)
    return approvals.ask_for_version(version.id, proposal.target)


def _refuse_second(session: Session, same: Query) -> None:
    """Raise AlreadyExists where such a request is open; one that is void or has expired does not count."""
    if same.rows and approvals.opened(same.rows[0], same.rows[0]).ended(times.now()) is None:
        request = same.rows[0].id
        raise AlreadyExists(f"the request {request} for the same is open: approve that one, or withdraw it")


def _refuse_no_change(latest: Any, proposal: Proposal, policy: Policy | None) -> None:
    """Raise NotFound where there is no policy to remove, and Conflict where the policy is set; *latest* is a row."""
    if policy is None:
        assignments.require_own(latest, proposal.model)
    elif latest is not None and latest.digest == policy.digest:
        whose = f"the policy of {proposal.model!r}" if proposal.model else "the default policy"
        raise Conflict(f"{policy.digest} is {whose} already")


def _bound(version: Version | None, binding: Any) -> dict[str, Any]:
    """Return the columns of what a request is bound to, and of the registrar of the version."""
    return {
        "version_id": version.id if version else None,
        "registrar_id": version.created_by if version else None,
        "registrar_issuer_id": binding.registrar_issuer if version else None,
        "manifest_digest": version.manifest_digest if version else None,
        "policy_entry": binding.policy,
        "holder_entry": binding.holder,
    }


def _draft(
    chain: Chained, proposal: Proposal, policy: Policy | None, version: Version | None, row: Mapping[str, Any]
) -> AuditEntryDraft:
    digests = {"manifest": row["manifest_digest"], "policy": row["policy_digest"]}
    subject = {"model": chain.name} if isinstance(chain, Model) else {}
    return AuditEntryDraft(
        "request.opened",
        subject | ({"version": version.number} if version else {}),
        after=requests.recorded(row),
        digests={name: digest for name, digest in digests.items() if digest is not None},
        texts=audit.texts(
            reason=proposal.reason, document=canonical_json.dumps(policy.document).decode() if policy else None
        ),
    )
