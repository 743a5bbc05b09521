"""Count, for the monitor, what the use cases did: after their commit, so that only what is true is counted."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast

from registry.db import retry
from registry.domain.errors import RegistryError, Unavailable, Undone
from registry.domain.stages import Stage, TransitionKind
from registry.telemetry.meters import meters

if TYPE_CHECKING:
    from registry.services.stages.transitions import Moved

Act = TypeVar("Act", bound="Callable[..., Moved]")

# What a refused move would have been called; from where it would have started is not known.
SOUGHT = {
    Stage.NONE: TransitionKind.DEMOTE,
    Stage.STAGING: TransitionKind.PROMOTE,
    Stage.PRODUCTION: TransitionKind.PROMOTE,
    Stage.ARCHIVED: TransitionKind.ARCHIVE,
}


def moves(act: Act) -> Act:
    """Count the moves that *act* makes, its third argument being the target."""
    return cast(Act, _counting(act, lambda target: SOUGHT[target]))


def rollbacks(act: Act) -> Act:
    """Count the rollbacks that *act* makes."""
    return cast(Act, _counting(act, lambda _: TransitionKind.ROLLBACK))


def arrived(sizes: Sequence[int]) -> None:
    """Count uploads whose bytes have arrived, whether a worker is still to read them or not."""
    if sizes:
        meters().uploads.labels("arrived").inc(len(sizes))
        meters().upload_bytes.inc(sum(sizes))


def refused(number: int) -> None:
    """Count uploads of which other bytes arrived than were announced."""
    meters().uploads.labels("refused").inc(number)


def _counting(act: Any, sought: Callable[[Any], TransitionKind]) -> Any:
    @functools.wraps(act)
    def counting(*arguments: Any, **named: Any) -> Moved:
        kind = sought(arguments[2] if len(arguments) > 2 else named.get("target"))
        try:
            moved: Moved = act(*arguments, **named)
        except Unavailable as error:
            if not (isinstance(error, Undone) and retry.will_be_repeated()):
                _count(kind, "failed")
            raise
        except RegistryError:
            _count(kind, "refused")
            raise
        _count_done(moved, kind)
        return moved

    return counting


def _count_done(moved: Moved, kind: TransitionKind) -> None:
    if moved.dry_run:
        return
    _count(moved.move.kind or kind, "done" if moved.at is not None else "unchanged")
    if moved.at is not None and moved.move.displaced is not None and moved.move.kind is not TransitionKind.ROLLBACK:
        _count(TransitionKind.SUPERSEDE, "done")


def _count(kind: TransitionKind, outcome: str) -> None:
    meters().transitions.labels(kind.value, outcome).inc()
