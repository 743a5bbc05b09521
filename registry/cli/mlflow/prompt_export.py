"""Prompts as ``registry export mlflow`` gives them to an MLflow registry, by the calls that MLflow 3 has for them."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from registry.cli.mlflow.library import IS_PROMPT, PROMPT_TEXT, PROMPT_TYPE
from registry.cli.mlflow.report import Report

if TYPE_CHECKING:
    from registry.cli.mlflow.library import Library
    from registry.client import RegistryClient
    from registry.client.types import ModelView, VersionView

_OWN = frozenset({IS_PROMPT, PROMPT_TEXT, PROMPT_TYPE})  # MLflow sets them itself


class PromptExport:
    """From *registry* to *library*, with equal numbers."""

    def __init__(self, library: Library, registry: RegistryClient, report: Report) -> None:
        self._library, self._client, self._registry, self._report = library, library.client, registry, report

    def give(self, model: ModelView) -> None:
        """Export a prompt with its versions, tags and aliases."""
        name = model["name"]
        if not hasattr(self._client, "create_prompt_version"):
            self._report.add(name, "prompt", "skipped", "prompts need MLflow 3 here")
            return
        prompt = next(iter(self._library.prompts((name,))), None)
        if prompt is None and not self._made(model):
            return
        self._report.add(name, "prompt", "created" if prompt is None else "existing")
        there = {} if prompt is None else {int(one.version): one for one in self._library.versions(name, prompts=True)}
        numbers = set(there)
        for version in sorted(self._registry.versions.list(name), key=lambda one: one["number"]):
            number, what = version["number"], f"version {version['number']}"
            if version["state"] == "deleted":
                continue
            if number in there:
                if there[number].tags.get(PROMPT_TEXT) == version["tags"].get(PROMPT_TEXT):
                    self._report.add(name, what, "existing")
                else:
                    self._report.add(name, what, "changed", "the number has another text there")
            elif self._report.dry_run or self._export_prompt_version(version):
                self._report.add(name, what, "created")
                numbers.add(number)
        self._export_prompt_aliases(model, {} if prompt is None else dict(prompt.aliases or {}), numbers)

    def _made(self, model: ModelView) -> bool:
        """Make the prompt there, but for a dry run; return whether its name was free."""
        from mlflow.exceptions import MlflowException

        if self._report.dry_run:
            return True
        try:
            self._client.create_prompt(model["name"], model["description"] or None, _given(model["tags"]))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            self._report.add(model["name"], "prompt", "skipped", "a model has the name there")
            return False
        return True

    def _export_prompt_version(self, version: VersionView) -> bool:
        """Make the version there with its number; return False where that is used up."""
        name, number = version["model"], version["number"]
        filled, made = [], self._create_prompt_version(version)
        while made < number:
            self._client.delete_prompt_version(name, str(made))
            filled.append(str(made))
            made = self._create_prompt_version(version)
        if made > number:
            self._client.delete_prompt_version(name, str(made))
            self._report.add(name, f"version {number}", "skipped", f"the number is used up there; the next is {made}")
            return False
        if filled:
            self._report.add(name, f"version {', '.join(filled)}", "noted", "made and deleted there, to keep numbers")
        return True

    def _create_prompt_version(self, version: VersionView) -> int:
        tags = version["tags"]
        text = tags.get(PROMPT_TEXT, "")
        template = json.loads(text) if tags.get(PROMPT_TYPE) == "chat" else text
        made = self._client.create_prompt_version(
            version["model"], template, version["description"] or None, _given(tags)
        )
        return int(made.version)

    def _export_prompt_aliases(self, model: ModelView, there: Mapping[str, Any], numbers: Collection[int]) -> None:
        name = model["name"]
        for alias, number in model["aliases"].items():
            if str(there.get(alias)) == str(number):
                self._report.add(name, f"alias {alias}", "existing")
            elif number not in numbers:
                self._report.add(name, f"alias {alias}", "skipped", f"version {number} is not there")
            else:
                if not self._report.dry_run:
                    self._client.set_prompt_alias(name, alias, number)
                self._report.add(name, f"alias {alias}", "created")


def _given(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags that MLflow does not set itself."""
    return {key: value for key, value in tags.items() if key not in _OWN}
