"""Compare tokens, accounts, damaged blobs and the artifact area with the replayed log."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from registry.db.models import Account, Artifact, Blob, Registry, Token, UncertainTime
from registry.domain import clock, facts
from registry.domain.replay import restorations
from registry.domain.replay.access import BOOTSTRAP_SECONDS, Access
from registry.domain.replay.entry import Unknown
from registry.domain.replay.restorations import Restorations
from registry.domain.replay.storage import Storage
from registry.services.audit.comparison import Comparison, unlike
from registry.services.audit.streams import Cursors

RECORDED_DAMAGE = frozenset({"missing", "corrupt"})  # any other mark of a blob is a suspicion, which no entry records


def check_access(cursors: Cursors, log: Access, found: Comparison) -> None:
    """Compare every token and account."""
    tokens = {row.id: row for row in cursors.rows(select(*Token.__table__.columns))}
    found.differences += unlike("token", tokens, log.tokens)
    for name in tokens.keys() & log.tokens.keys():
        _check_token(found, tokens[name], log.tokens[name])
    accounts = {row.id: row for row in cursors.rows(select(*Account.__table__.columns))}
    found.differences += unlike("account", accounts, log.accounts)
    for name in accounts.keys() & log.accounts.keys():
        row, expected = accounts[name], log.accounts[name]
        found.check(f"the name of account {name}", row.name, expected.name)
        if isinstance(expected.name, Unknown):
            found.lacking.append(name)
        if expected.created_at is not None:
            found.check(f"the kind of account {row.name!r}", row.kind, "user")
            found.check(f"the creation of account {row.name!r}", clock.wire(row.created_at), expected.created_at)


def _check_token(found: Comparison, row: Any, expected: Any) -> None:
    def check(what: str, stored: Any, wanted: Any) -> None:
        found.check(f"the {what} of token {row.id}", stored, wanted)

    check("owner", row.account_id, expected.owner)
    check("roles", list(row.roles), expected.roles)
    check("creation", (clock.wire(row.created_at), row.created_by), (expected.created_at, expected.created_by))
    check("expiry", clock.wire(row.expires_at), expected.expires_at or _bootstrap_end(expected.created_at))
    check("revocation", row.revoked_at and clock.wire(row.revoked_at), expected.revoked_at)
    check("secret or name", facts.token(row.hash, row.name), expected.digest)
    if isinstance(expected.digest, Unknown):
        found.lacking.append(row.id)


def _bootstrap_end(created_at: str) -> str:
    return clock.wire(datetime.fromisoformat(created_at) + timedelta(seconds=BOOTSTRAP_SECONDS))


def check_registry(cursors: Cursors, log: Restorations, found: Comparison) -> None:
    """Compare the registry's epoch with the latest restoration, and the spans of a wrong clock with its acceptances."""
    for row in cursors.rows(select(*Registry.__table__.columns)):
        found.check("the first number of new models", row.first_number, log.first_number)
        found.check("the restoration", row.restored_at and clock.wire(row.restored_at), log.at)
        found.check("the backup that was restored", row.restored_from, log.backup)
        if log.epoch is not None:
            found.check("the epoch", row.epoch, log.epoch)
    ends: dict[str, str] = {}
    for row in cursors.rows(select(*UncertainTime.__table__.columns)):
        span = restorations.span(row.aggregate, clock.wire(row.since))
        ends[span] = max(clock.wire(row.until), ends.get(span, ""))
        found.check(f"the model of the uncertain span {span}", row.model_id, _model_of(row.aggregate))
    found.differences += unlike("uncertain span", ends, log.uncertain)
    for span in ends.keys() & log.uncertain.keys():  # later entries of the chain may have extended it
        found.check(f"the end of the uncertain span {span}", min(ends[span], log.uncertain[span]), log.uncertain[span])


def _model_of(aggregate: str) -> str | None:
    return aggregate.removeprefix("model:") if aggregate.startswith("model:") else None


def check_blobs(cursors: Cursors, log: Storage, found: Comparison) -> None:
    """Compare the blobs that are recorded as damaged, and the objects of those that were repaired."""
    marked = select(Blob.sha256, Blob.damage).where(Blob.damage.in_(RECORDED_DAMAGE))
    damaged = {row.sha256: row.damage for row in cursors.rows(marked)}
    found.differences += unlike("damage of blob", damaged, log.damage)
    for sha256 in damaged.keys() & log.damage.keys():
        found.check(f"the damage of blob {sha256}", damaged[sha256], log.damage[sha256])
    for sha256, repairs in log.repairs.items():
        stored = cursors.session.scalar(select(Blob.key).where(Blob.sha256 == sha256))
        found.check(f"the object of blob {sha256}", stored, repairs[-1].after)


def check_artifacts(cursors: Cursors, log: Storage, found: Comparison) -> None:
    """Compare each path of the artifact area, unless a path was erased from the log."""
    if not log.paths_known:
        return
    expected = dict(log.files())
    rows = select(Artifact.path, Artifact.sha256, Artifact.size, Artifact.object, Artifact.created_at,
                  Artifact.created_by)  # fmt: skip
    for row in cursors.rows(rows):
        content = f"sha256:{row.sha256}" if row.sha256 else row.object
        stored = (content, str(row.size), clock.wire(row.created_at), row.created_by)
        if row.path not in expected:
            found.differences.append(f"the artifact {row.path!r} is in no entry")
        else:
            found.check(f"the artifact {row.path!r}", stored, expected.pop(row.path))
    found.differences += [f"the artifact {path!r} of the log is gone" for path in sorted(expected)]
