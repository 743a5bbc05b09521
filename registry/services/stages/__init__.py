"""Stages: transitions, rollback, and which version holds a stage."""
