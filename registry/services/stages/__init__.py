"""Stages: transitions, rollback, the choices of both, and which version holds or held a stage."""

from registry.services.stages import (
    break_glass,
    changes,
    choices,
    move_counts,
    past,
    resolve,
    rollback,
    serving,
    transitions,
    withdrawal,
)

__all__ = [
    "break_glass",
    "changes",
    "choices",
    "move_counts",
    "past",
    "resolve",
    "rollback",
    "serving",
    "transitions",
    "withdrawal",
]
