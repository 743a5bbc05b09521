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

    def _labels(self, found: Any) -> Mapping[str, Any]:
        """The tags of the prompt, with the one that makes it one, which MLflow hides."""
        return {IS_PROMPT: "true", **found.tags}

    def _register(self, model: Any, found: Any, number: int) -> VersionView:
        self._ensure_model(model)
        tags = {key: found.tags[key] for key in (IS_PROMPT, PROMPT_TEXT) if key in found.tags} | found.tags
        body = {
            "files": [],
            "source": found.source,
            "number": number,
            "claimed": self._claims(found),
            "description": found.description or "",
            "tags": self._tags(found.name, f"version {number}", tags) or {},
        }
        return self._registry.versions.register(found.name, body)["version"]

    def _readable(self, found: Any) -> None:
        """Nothing is read: the text came with the version."""

    def _has_other_content(self, found: Any, here: VersionView) -> bool:
        return bool(here["tags"].get(PROMPT_TEXT) != found.tags.get(PROMPT_TEXT))

    def _stages(self, name: str, versions: Sequence[Any], here: Mapping[int, VersionView]) -> None:
        """Leave the versions where they are: prompts have no stages."""

    def _alias_problem(self, alias: str) -> str | None:
        from registry.rules import selectors

        if alias.lower() in {*selectors.STAGES, selectors.NO_STAGE}:
            return None
        return super()._alias_problem(alias)
