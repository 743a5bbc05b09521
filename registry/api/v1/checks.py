"""Checks: results about versions that CI and people report."""

from __future__ import annotations

from typing import Any

from registry.api import examples
from registry.api.blueprint import Blueprint
from registry.api.refusal_docs import refuses
from registry.api.schemas.checks import CheckBody, CheckPage, CheckReportsQuery, CheckView
from registry.api.schemas.paging import paged
from registry.db.records import CheckRecord
from registry.domain.access import Permission
from registry.domain.errors import NotReady
from registry.http.access import requires
from registry.http.context import current_actor, current_claim
from registry.http.database_position import replicable
from registry.services.gates import checks

blueprint = Blueprint("checks", __name__, url_prefix="/api/v1", description="Results that CI reports about versions.")
CHECKS = "/models/<model:model>/versions/<number:number>/checks"


@blueprint.route(CHECKS, methods=["POST"])
@blueprint.arguments(CheckBody, example=examples.CHECK)
@blueprint.response(201, CheckView, example=examples.CHECKED, recall=checks.recall)
@refuses(NotReady)
@requires(Permission.CHECK_REPORT)
def report_check(body: dict[str, Any], model: str, number: int) -> CheckRecord:
    """Report the result of a check of a version.

    It holds for the files that the version has, and replaces the earlier report of this name; all are kept. Where the
    policy of the model names the reporters of the check, only they may report it (403 names them). A version has
    1,000 reports at most (422).
    """
    return checks.report(model, number, actor=current_actor(), claim=current_claim(), **body)


@blueprint.route(CHECKS)
@blueprint.arguments(CheckReportsQuery, location="query")
@blueprint.response(200, CheckPage)
@requires(Permission.MODEL_READ)
@replicable
def list_checks(query: dict[str, Any], model: str, number: int) -> dict[str, Any]:
    """List the latest report of each check of a version, or all reports, newest first."""
    return paged(checks.checks(model, number, **query))
