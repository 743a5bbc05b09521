"""Prompts: models with a tag that marks them, and a placeholder as source."""

from __future__ import annotations

from collections.abc import Mapping

from registry.db.records import ModelBrief
from registry.domain.errors import Invalid
from registry.domain.prompts import PLACEHOLDERS

IS_PROMPT = "mlflow.prompt.is_prompt"


def is_prompt(tags: Mapping[str, str]) -> bool:
    return tags.get(IS_PROMPT, "false").lower() == "true"


def require_placeholder(source: str) -> None:
    """Raise Invalid for a prompt that names files: it has none."""
    if source not in PLACEHOLDERS:
        raise Invalid.whole(f"Invalid prompt source: '{source}'. Prompt sources must use an MLflow placeholder.")


def taken(name: str, there: ModelBrief, tags: Mapping[str, str]) -> str:
    """Return why the name cannot be given to another model or prompt, which would have *tags*."""
    old, new = (_kind(is_prompt(tags_of_one)) for tags_of_one in (there.tags, tags))
    if old == new:
        return f"{new} (name={name}) already exists."
    return (
        f"Tried to create a {new.lower()} with name {name!r}, but the name is already taken by a {old.lower()}. MLflow "
        "does not allow creating a model and a prompt with the same name."
    )


def _kind(prompt: bool) -> str:
    return "Prompt" if prompt else "Registered Model"
