"""Stages: transitions, rollback, and which version holds a stage."""

from registry.services.stages import move_counts, transitions

__all__ = ["move_counts", "transitions"]
