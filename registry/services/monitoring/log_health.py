"""Health of the sealed log: a fork, entries that wait for their position, and checkpoints that are not signed."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

from registry.db.session import reading
from registry.domain import clock
from registry.domain.errors import RegistryError
from registry.services import bounded_calls, leases
from registry.services.monitoring.checks import Check
from registry.services.sealed_log import standing
from registry.services.sealed_log.pins import Pin
from registry.services.sealed_log.standing import LogStanding

PATIENCE = timedelta(minutes=5)
FORK_FIX = (
    "After a restore, go on under another name: registry audit new-epoch --reason TEXT, where registry worker runs. "
    "Otherwise find out first who changed the database or the store (deploy/docs/sealed-log.md)."
)
SEAL_FIX = "Run registry worker. Its log has the reason, in lines with the work sealing."
KEY_FIX = "Set REGISTRY_LOG_KEY for registry worker (deploy/docs/keys.md)."


def examine(pin: Pin) -> Check:
    """Compare the log with its pin, and look at what waits. Raises Unavailable."""
    with reading() as session:
        moment = leases.now(session)
    return judge(standing.examine(pin), moment)


def start(pin: Pin) -> bounded_calls.Call[Check]:
    """Start :func:`examine`, whose call may hang with the database or the store."""
    return bounded_calls.start("pin of the audit log", partial(examine, pin))


def is_forked(pin: Pin, *, seconds: float) -> bool | None:
    """Return whether the log is forked; None where that is not found within *seconds*."""
    try:
        return not start(pin).result(seconds).ok
    except RegistryError:
        return None


def judge(log: LogStanding, moment: datetime) -> Check:
    """Return the check that follows from the standing of the log at *moment*."""
    if log.fork is not None:
        return Check(False, f"{log.fork}. Nothing is sealed until registry audit new-epoch", FORK_FIX)
    if log.unsealed_since is not None and moment - log.unsealed_since > PATIENCE:
        return Check(True, f"entries wait for a position since {clock.wire(log.unsealed_since)}", SEAL_FIX)
    if log.size and log.published_at is None:
        return Check(True, "entries are sealed, and no checkpoint was published: the worker has no log key", KEY_FIX)
    if log.unpublished_since is not None and moment - log.unpublished_since > PATIENCE:
        since = clock.wire(log.unpublished_since)
        return Check(True, f"entries since {since} are under no published checkpoint", f"{SEAL_FIX} {KEY_FIX}")
    return Check(True, f"{log.size} entries are sealed, {log.published} are covered by a published checkpoint")
