"""The page of what a version needs to be built again, and which of it is recorded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response

from registry.domain.access import Permission
from registry.domain.reproducibility import Requirement
from registry.http.access import requires
from registry.services.lineage import reproducibility as service
from registry.services.lineage.reproducibility import ReportedVersion
from registry.web.addresses import api_path, command
from registry.web.blueprint import blueprint
from registry.web.pages import WebPage
from registry.web.rendering import page
from registry.web.views.version_acts import VERSION, way_to

# Requirements that a later addition to the lineage can meet.
ADDABLE = (Requirement.DATA, Requirement.PARENTS)


class ReproducibilityPage(WebPage):
    """The requirements of a version: what is recorded, and what to do about what is missing."""

    template = "reproducibility.html"
    words: Mapping[Requirement, str] = {
        Requirement.CODE: "repository and commit",
        Requirement.CLEAN: "no uncommitted changes",
        Requirement.ENVIRONMENT: "environment",
        Requirement.DATA: "data for training",
        Requirement.PARAMS: "parameters",
        Requirement.COMMAND: "command",
        Requirement.PARENTS: "parents and base models",
    }

    def __init__(self, reported: ReportedVersion) -> None:
        model, number = reported.model, reported.number
        self.place: Mapping[str, Any] = {"model": model, "number": number}
        self.report = reported.report
        self.title = f"Building {model} v{number} again"
        self.crumbs = way_to(model, number, "Building it again")
        self.command = command("registry", "reproduce", f"{model}:{number}")
        self.api = api_path("models", model, "versions", number, "reproducibility")

    @property
    def can_be_added(self) -> bool:
        """Return whether an addition to the lineage can meet a requirement that is not met."""
        return any(requirement in self.report.missing for requirement in ADDABLE)


@blueprint.get(f"{VERSION}/reproducibility")
@requires(Permission.MODEL_READ)
def reproducibility(model: str, number: int) -> Response:
    return page(ReproducibilityPage(service.describe(model, number)))
