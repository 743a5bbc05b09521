"""The stages of an imported model's versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from registry.cli.mlflow.report import Report, reporting

if TYPE_CHECKING:
    from registry.client import RegistryClient
    from registry.client.types import VersionView


class ImportedStages:
    """The stages of one model's versions, set by the moves that every client makes."""

    def __init__(self, registry: RegistryClient, report: Report, model: str, reason: str) -> None:
        self._registry, self._report, self._model, self._reason = registry, report, model, reason

    def set(self, versions: Sequence[Any], here: Mapping[int, VersionView]) -> None:
        """Take each version from none to the stage that it has there. One that was moved here since stays."""
        model = self._registry.models.get(self._model)
        stages_by_number = {int(version.version): version.current_stage.lower() for version in versions}
        in_production = [
            number for number, stage in stages_by_number.items() if stage == "production" and number in here
        ]
        single = model["lifecycle"] == "enforced"
        for number in sorted(here):
            if number not in stages_by_number or stages_by_number[number] == "none":
                continue
            with reporting(self._report, self._model, f"version {number}, stage"):
                later = [other for other in in_production if other > number]
                self._move(here[number], stages_by_number[number], single=single, in_production=in_production)
                if single and stages_by_number[number] == "production" and later:
                    self._report.add(self._model, f"version {number}, stage", "noted", superseded_by(later[-1]))

    def _move(self, version: VersionView, target: str, *, single: bool, in_production: Sequence[int]) -> None:
        name, number = self._model, version["number"]
        now = self._registry.versions.get(name, number)
        if now["stage"] != "none" and not (now["stage"] == "staging" and target == "production" and self._ours(number)):
            return
        if target != "archived":
            self._registry.wait(now)
        expected: dict[str, Any] = {}
        if single and target == "production":
            expected["expected_current"] = self._incumbent(in_production)
            if now["stage"] == "none":
                self._registry.stages.move(name, number, "staging", reason=self._reason)
        self._registry.stages.move(name, number, cast(Any, target), reason=self._reason, **expected)
        self._report.add(name, f"version {number}, stage", "created", target)

    def _incumbent(self, in_production: Sequence[int]) -> int | None:
        """Return the version that may be displaced, which the import has moved; None without one. Raises Conflict."""
        from registry.client import errors

        current = self._registry.models.get(self._model)["stages"]["production"]
        if current and current[0] not in in_production:
            raise errors.Conflict(f"version {current[0]} holds production here and is not displaced")
        return current[0] if current else None

    def _ours(self, number: int) -> bool:
        """Return whether the last reasoned move was an import's, which then stopped."""
        entries = self._registry.versions.history(self._model, number)
        return next((entry["reason"] for entry in entries if entry["reason"]), None) == self._reason


def superseded_by(number: int) -> str:
    return f"it held production together with version {number}, which superseded it here"
