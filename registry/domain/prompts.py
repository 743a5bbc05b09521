"""MLflow's prompts: versions without files, whose source is a placeholder."""

from __future__ import annotations

PLACEHOLDERS = ("dummy-source", "prompt-template")
