"""Stages, tenures and moves in the words of pages."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from registry.db.records import TenureRecord
from registry.domain.access import Actor, Permission, roles_that_grant
from registry.domain.errors import Forbidden, MissingPermission
from registry.domain.stages import Move, Stage, TransitionKind
from registry.services.stages.changes import Moved

STARTED: Mapping[str, str] = {
    TransitionKind.PROMOTE: "promoted",
    TransitionKind.DEMOTE: "demoted",
    TransitionKind.ARCHIVE: "archived",
    TransitionKind.RESTORE: "moved back",
    TransitionKind.SUPERSEDE: "superseded",
    TransitionKind.ROLLBACK: "by rollback",
}
_LEFT: Mapping[str, str] = {**STARTED, TransitionKind.ROLLBACK: "rolled back"}


def tenure(held: TenureRecord) -> str:
    """Return a tenure in one sentence, with its version, times, actors and reasons."""
    until = f"until {_day(held.until)}" if held.until else "until now"
    words = [f"Version {held.number} in {held.stage} from {_day(held.since)} {until}: "]
    words.append(f"{STARTED.get(held.kind, held.kind)} by {held.actor}{_because(held.reason)}")
    if end := tenure_end(held):
        words.append(f"; {end} by {held.ended_by}{_because(held.ended_reason)}")
    return "".join(words)


def tenure_end(held: TenureRecord) -> str:
    """Return how a tenure ended: "superseded by version 12"; "" while it lasts."""
    if held.ended_kind is None:
        return ""
    left = _LEFT.get(held.ended_kind, held.ended_kind)
    if held.successor is None:
        return left
    return (
        f"{left} by version {held.successor}"
        if held.ended_kind == TransitionKind.SUPERSEDE
        else (f"{left} to version {held.successor}")
    )


def effect(move: Move) -> str:
    """Return the further effect of a move; "" if none."""
    return f"version {move.displaced} leaves production and is archived" if move.displaced is not None else ""


def lack(forbidden: Forbidden, actor: Actor, act: str = "This") -> str:
    """Return the roles that *act* requires ("Promoting requires …"), why if it says so, and the roles of the actor."""
    if isinstance(forbidden, MissingPermission) and forbidden.because:
        act = f"{forbidden.because[0].upper()}{forbidden.because[1:]}: {act[0].lower()}{act[1:]}"
    roles = roles_that_grant(Permission(forbidden.extras["permission"]))
    return f"{act} requires the role {roles}. You are {actor.name} ({', '.join(sorted(actor.roles)) or 'no role'})."


def done(moved: Moved) -> str:
    """Return the result of a move, for its notice."""
    move = moved.move
    name = f"{moved.version.model}:{move.number}"
    if moved.at is None:
        return f"{name} is in {move.target} already; nothing was changed."
    words = [f"{name} {_standing(move.target)} since {moved.at.astimezone(UTC):%H:%M:%S} UTC."]
    if move.displaced is not None:
        fate = "was archived, marked as rolled back" if move.kind is TransitionKind.ROLLBACK else "was archived"
        words.append(f"Version {move.displaced} {fate}.")
    return " ".join([*words, *(f"{text}." for text in moved.warnings)])


def _standing(target: Stage) -> str:
    if target is Stage.ARCHIVED:
        return "is archived"
    return "is in no stage" if target is Stage.NONE else f"is in {target}"


def _because(reason: str | None) -> str:
    return f" ({reason})" if reason else ""


def _day(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
