"""Compare tokens, accounts, damaged blobs and the artifact area with the replayed log."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from registry.db import times
from registry.db.models import (
    Account,
    Artifact,
    AuditEntry,
    Blob,
    BlobFormat,
    CheckpointedHead,
    Hold,
    Model,
    Registry,
    RunRefresh,
    Token,
    Tree,
    UncertainTime,
    Version,
    VersionFile,
)
from registry.domain import artifact_area, clock, confusables, fact_digests, sealing
from registry.domain.access import LOCAL_DEV, SYSTEM, ActorKind
from registry.domain.holds import HoldKind
from registry.domain.replay import restorations
from registry.domain.replay.access import BOOTSTRAP_SECONDS, Access
from registry.domain.replay.checkpoints import Checkpoints
from registry.domain.replay.entry import Unknown
from registry.domain.replay.restorations import Restorations
from registry.domain.replay.storage import Storage
from registry.domain.states import RefreshState, RunState
from registry.domain.token_life import SESSIONS_KEPT_FOR
from registry.services.audit import row_seals
from registry.services.audit.comparison import Comparison, unlike
from registry.services.audit.comparison import check_holds as compare_holds
from registry.services.audit.streams import Cursors

OWN_KINDS = {own.id: own.kind for own in (SYSTEM, LOCAL_DEV)}
RECORDED_DAMAGE = frozenset({"missing", "corrupt"})  # any other mark of a blob is a suspicion, which no entry records


def check_access(cursors: Cursors, log: Access, comparison: Comparison) -> None:
    """Compare every token and account."""
    tokens = {row.id: row for row in cursors.rows(select(*Token.__table__.columns))}
    comparison.differences += unlike("token", tokens, _still_stored(log, tokens))
    for name in tokens.keys() & log.tokens.keys():
        _check_token(comparison, tokens[name], log.tokens[name])
    accounts = {row.id: row for row in cursors.rows(select(*Account.__table__.columns))}
    comparison.differences += unlike("account", accounts, log.accounts)
    for name in accounts.keys() & log.accounts.keys():
        row, expected = accounts[name], log.accounts[name]
        comparison.check(f"the name of account {name}", row.name, expected.name)
        if row.look is not None:  # else a worker is to fill it in, and comparisons of names compute it
            comparison.check(f"the look of account {row.name!r}", row.look, confusables.look(row.name))
        if isinstance(expected.name, Unknown):
            comparison.lacking.append(name)
        kind = OWN_KINDS.get(name, ActorKind.USER)
        comparison.check(f"the kind of account {row.name!r}", row.kind, kind.value)
        if expected.created_at is not None:
            comparison.check(f"the creation of account {row.name!r}", clock.wire(row.created_at), expected.created_at)


def _still_stored(log: Access, stored: Collection[str]) -> Mapping[str, Any]:
    """Return the tokens of the log without those sessions that were over long ago and are not stored any more."""
    limit = clock.wire(times.now() - SESSIONS_KEPT_FOR)
    return {
        name: token
        for name, token in log.tokens.items()
        if name in stored or token.parent is None or (token.expires_at or "") >= limit
    }


def _check_token(comparison: Comparison, row: Any, expected: Any) -> None:
    def check(what: str, stored: Any, expected_value: Any) -> None:
        comparison.check(f"the {what} of token {row.id}", stored, expected_value)

    check("purpose", (row.purpose, row.parent_id), (expected.purpose, expected.parent))
    check("owner", row.account_id, expected.owner)
    check("roles", list(row.roles), expected.roles)
    check("creation", (clock.wire(row.created_at), row.created_by), (expected.created_at, expected.created_by))
    check("expiry", clock.wire(row.expires_at), expected.expires_at or _bootstrap_end(expected.created_at))
    check("revocation", row.revoked_at and clock.wire(row.revoked_at), expected.revoked_at)
    check("secret or name", fact_digests.token(row.hash, row.name), expected.digest)
    if isinstance(expected.digest, Unknown):
        comparison.lacking.append(row.id)


def _bootstrap_end(created_at: str) -> str:
    return clock.wire(datetime.fromisoformat(created_at) + timedelta(seconds=BOOTSTRAP_SECONDS))


def check_registry(cursors: Cursors, log: Restorations, comparison: Comparison) -> None:
    """Compare epochs, secret keys and the spans of a wrong clock with the log."""
    for row in cursors.rows(select(*Registry.__table__.columns)):
        comparison.check("the first number of new models", row.first_number, log.first_number)
        comparison.check("the restoration", row.restored_at and clock.wire(row.restored_at), log.at)
        comparison.check("the backup that was restored", row.restored_from, log.backup)
        if log.epoch is not None:
            comparison.check("the epoch", row.epoch, log.epoch)
        if row_seals.is_rollout(row.unsealed_until) and clock.wire(row.unsealed_until) != log.unsealed_until:
            comparison.open.append(
                f"uploads, imports and kept replies act without a seal until {clock.wire(row.unsealed_until)}"
            )
        if log.secret_keys is not None:
            comparison.check("the fingerprints of the secret keys", row.secret_keys, log.secret_keys)
        for (origin,) in cursors.rows(select(Tree.origin)):
            if origin or log.origin:  # else nothing was signed yet
                comparison.check("the name of the sealed log", origin, log.origin or sealing.first_origin(row.id))
    ends: dict[str, str] = {}
    for row in cursors.rows(select(*UncertainTime.__table__.columns)):
        span = restorations.span(row.aggregate, clock.wire(row.since))
        ends[span] = max(clock.wire(row.until), ends.get(span, ""))
        comparison.check(f"the model of the uncertain span {span}", row.model_id, _model_of(row.aggregate))
    comparison.differences += unlike("uncertain span", ends, log.uncertain)
    for span in ends.keys() & log.uncertain.keys():  # later entries of the chain may have extended it
        comparison.check(
            f"the end of the uncertain span {span}", min(ends[span], log.uncertain[span]), log.uncertain[span]
        )


def check_holds(cursors: Cursors, log: Restorations, comparison: Comparison) -> None:
    """Compare the holds on data and models with the log, and require that others are on a version."""
    is_of_registry = or_(Hold.kind != HoldKind.VERSION.value, Hold.version_id.is_(None))
    upstream = select(*Hold.__table__.columns).where(is_of_registry).order_by(Hold.id)
    compare_holds(comparison, cursors.rows(upstream), log.holds)


def check_refreshes(cursors: Cursors, comparison: Comparison) -> None:
    """Require a waiting refresh job of this service for each version whose run is marked as unfinished."""
    statement = (
        select(Model.name, Version.number, RunRefresh)
        .join(Version, Version.model_id == Model.id)
        .outerjoin(RunRefresh, and_(RunRefresh.version_id == Version.id, RunRefresh.state == RefreshState.WAITING))
        .where(Version.run_state == RunState.UNFINISHED.value)
    )
    for name, number, row in cursors.rows(statement):
        if row is None or not row_seals.is_true(row.seal, row_seals.refresh_leaf(row)):
            comparison.differences.append(f"the run of {name}:{number} is unfinished, and no job waits for its end")


def _model_of(aggregate: str) -> str | None:
    return aggregate.removeprefix("model:") if aggregate.startswith("model:") else None


def check_checkpointed(cursors: Cursors, log: Checkpoints, comparison: Comparison) -> None:
    """Compare what the next checkpoint takes for known with what the checkpoints name."""
    for row in cursors.rows(select(CheckpointedHead.model_id, CheckpointedHead.seq)):
        named, _ = log.heads.get(f"model:{row.model_id}", (0, ""))
        comparison.check(f"the entry of model {row.model_id} that was checkpointed", row.seq, named)


def check_blobs(cursors: Cursors, log: Storage, comparison: Comparison) -> None:
    """Compare each blob with its seal, the recorded damage, and the objects of those that were repaired."""
    unsealed, damaged, missing = 0, {}, set(log.repairs)
    for row in cursors.rows(select(Blob.sha256, Blob.size, Blob.key, Blob.etag, Blob.seal, Blob.damage)):
        if row.damage in RECORDED_DAMAGE:
            damaged[row.sha256] = row.damage
        if not row_seals.is_ours(row.seal):
            unsealed += 1
        elif not row_seals.is_true(row.seal, row_seals.blob_leaf(row.sha256, row.size, row.key, row.etag)):
            comparison.differences.append(
                f"the seal of blob {row.sha256} is false: its size, object or ETag was changed"
            )
        if row.sha256 in missing:
            missing.remove(row.sha256)
            comparison.check(f"the object of blob {row.sha256}", row.key, log.repairs[row.sha256][-1].after)
    if unsealed:
        comparison.open.append(f"{unsealed} blobs have no seal of this service: an earlier release recorded them")
    comparison.differences += unlike("damage of blob", damaged, log.damage)
    for sha256 in damaged.keys() & log.damage.keys():
        comparison.check(f"the damage of blob {sha256}", damaged[sha256], log.damage[sha256])
    comparison.differences += [f"the blob {sha256}, which was repaired, is gone" for sha256 in sorted(missing)]


def check_formats(cursors: Cursors, comparison: Comparison) -> None:
    """Compare the format of each blob that was recognised with its seal."""
    columns = (BlobFormat.recognizer, BlobFormat.format, BlobFormat.executes_code, BlobFormat.detail)
    recognised = select(BlobFormat.seal, BlobFormat.sha256, *columns).where(BlobFormat.format.is_not(None))
    unsealed = 0
    for seal, sha256, *sealed in cursors.rows(recognised):
        if not row_seals.is_ours(seal):
            unsealed += 1
        elif not row_seals.is_true(seal, row_seals.format_leaf(sha256, *sealed)):
            comparison.differences.append(f"the seal of the format of blob {sha256} is false: it was changed")
    if unsealed:
        comparison.open.append(f"{unsealed} formats of blobs have no seal of this service, and count as unknown")


def check_artifacts(cursors: Cursors, log: Storage, comparison: Comparison) -> None:
    """Compare each path of the artifact area, unless a path was erased from the log."""
    if not log.paths_known:
        return
    expected = dict(log.files())
    for row in cursors.rows(select(*Artifact.__table__.columns)):
        comparison.check(
            f"the logged model of the artifact {row.path!r}", row.logged_model, artifact_area.logged_model(row.path)
        )
        if row.path not in expected:
            comparison.differences.append(f"the artifact {row.path!r} is in no entry")
            continue
        *content, media_type = expected.pop(row.path)
        if row.sha256 is not None:  # else it is the content
            comparison.check(f"the object of the artifact {row.path!r}", row.object, None)
        stored = [f"sha256:{row.sha256}" if row.sha256 else row.object, str(row.size), clock.wire(row.created_at)]
        comparison.check(f"the artifact {row.path!r}", [*stored, row.created_by], content)
        comparison.check(f"the media type of the artifact {row.path!r}", row.media_type, media_type)
        _check_registered(cursors.session, row, comparison)
    comparison.differences += [f"the artifact {path!r} of the log is gone" for path in sorted(expected)]


def _check_registered(session: Session, row: Any, comparison: Comparison) -> None:
    """Require an entry by which the owner of a path that counts as registered put its file into a version."""
    if row.registered_at is None or row.registered_at < row.created_at:
        return  # the path is its owner's
    name = func.substr(row.path, func.length(row.path) - func.length(VersionFile.path) + 1)
    registered = (
        select(VersionFile.path)
        .join(Version, Version.id == VersionFile.version_id)
        .join(AuditEntry, AuditEntry.version_id == Version.id)
        .where(
            AuditEntry.at == row.registered_at,
            AuditEntry.action.in_(["version.registered", "version.fetched"]),
            Version.created_by == row.created_by,
            VersionFile.sha256 == row.sha256,
            VersionFile.path == name,
        )
    )
    if session.scalars(registered.limit(1)).first() is None:
        comparison.differences.append(
            f"the artifact {row.path!r} was not registered at {clock.wire(row.registered_at)}"
        )
