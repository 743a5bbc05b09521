"""Prompts of an MLflow registry, as ``registry import mlflow`` takes them over: models whose versions have a text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from registry.cli.mlflow.import_apply import Import
from registry.cli.mlflow.library import IS_PROMPT, PROMPT_TEXT

if TYPE_CHECKING:
    from registry.client.types import VersionView


class PromptImport(Import):
    """Prompts have no files and no stages; their text, and what else MLflow keeps of them, are tags."""

    IS_PROMPT, KIND, CONTENT = True, "prompt", "words"

    def _labels(self, source_version: Any) -> Mapping[str, Any]:
        """Return the tags of the prompt, with the one that makes it one, which MLflow hides."""
        return {IS_PROMPT: "true", **source_version.tags}

    def _register(self, model: Any, source_version: Any, number: int) -> VersionView:
        self._ensure_model(model)
        tags = {
            key: source_version.tags[key] for key in (IS_PROMPT, PROMPT_TEXT) if key in source_version.tags
        } | source_version.tags
        body = {
            "files": [],
            "source": source_version.source,
            "number": number,
            "claimed": self._claims(source_version),
            "description": source_version.description or "",
            "tags": self._tags(source_version.name, f"version {number}", tags) or {},
        }
        return self._registry.versions.register(source_version.name, body)["version"]

    def _readable(self, source_version: Any) -> None:
        """Nothing is read: the text came with the version."""

    def _has_other_content(self, source_version: Any, here: VersionView) -> bool:
        return bool(here["tags"].get(PROMPT_TEXT) != source_version.tags.get(PROMPT_TEXT))

    def _stages(self, name: str, versions: Sequence[Any], here: Mapping[int, VersionView]) -> None:
        """Leave the versions where they are: prompts have no stages."""

    def _alias_problem(self, alias: str) -> str | None:
        from registry.rules import selectors

        if alias.lower() in {*selectors.STAGES, selectors.NO_STAGE}:
            return None
        return super()._alias_problem(alias)
