"""MLflow's prompts: versions without files, whose source is a placeholder."""

from __future__ import annotations

PLACEHOLDERS = ("dummy-source", "prompt-template")


def is_prompt(source: str | None) -> bool:
    """Return whether a version with this source is a prompt's."""
    return source in PLACEHOLDERS
