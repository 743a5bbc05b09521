"""Metrics of transitions and uploads, counted after their commit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from registry.db import retry
from registry.domain.errors import RegistryError, Unavailable, Undone
from registry.domain.stages import Move, Stage, TransitionKind
from registry.telemetry.meters import meters

# The kind under which a refused move to a stage is counted: the stage that it would leave is not known.
SOUGHT = {
    Stage.NONE: TransitionKind.DEMOTE,
    Stage.STAGING: TransitionKind.PROMOTE,
    Stage.PRODUCTION: TransitionKind.PROMOTE,
    Stage.ARCHIVED: TransitionKind.ARCHIVE,
}


@contextmanager
def counting_refusals(sought: TransitionKind) -> Iterator[None]:
    """Count a transition of the kind *sought* that the block refuses, or that fails and is not done again."""
    try:
        yield
    except Unavailable as error:
        if not (isinstance(error, Undone) and retry.will_be_repeated()):
            _count(sought, "failed")
        raise
    except RegistryError:
        _count(sought, "refused")
        raise


def count_move(move: Move, *, sought: TransitionKind, is_done: bool) -> None:
    """Count a committed transition, and the one of the version that it displaced.

    *sought* is its kind where the version had the stage already.
    """
    _count(move.kind or sought, "done" if is_done else "unchanged")
    if is_done and move.displaced is not None and move.kind is not TransitionKind.ROLLBACK:
        _count(TransitionKind.SUPERSEDE, "done")


def arrived(sizes: Sequence[int]) -> None:
    """Count uploads whose bytes have arrived, including those that a worker has yet to verify."""
    if sizes:
        meters().uploads.labels("arrived").inc(len(sizes))
        meters().upload_bytes.inc(sum(sizes))


def refused(number: int) -> None:
    """Count uploads whose bytes differ from the announced digest or size."""
    meters().uploads.labels("refused").inc(number)


def _count(kind: TransitionKind, outcome: str) -> None:
    meters().transitions.labels(kind.value, outcome).inc()
