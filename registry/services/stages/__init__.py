"""Stages: transitions, rollback, and which version holds a stage."""

from registry.services.stages import changes, move_counts, resolve, rollback, transitions

__all__ = ["changes", "move_counts", "resolve", "rollback", "transitions"]
