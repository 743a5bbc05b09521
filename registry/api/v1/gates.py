"""Gates: what the policy of a model says of a version, now and when it was promoted."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from registry.api import gate_examples as examples
from registry.api.blueprint import Blueprint
from registry.api.schemas.gates import GatesQuery, PastEvaluationPage, StageGatesView, StoredEvaluationView
from registry.api.schemas.paging import PageQuery, paged
from registry.domain.access import Permission
from registry.http.access import requires
from registry.http.database_position import replicable
from registry.services.gates import evaluations, verdicts
from registry.services.gates.evaluations import StoredEvaluation
from registry.services.gates.verdicts import StageGates

blueprint = Blueprint("gates", __name__, url_prefix="/api/v1", description="Verdicts of policies on versions.")
GATES = "/models/<model:model>/versions/<number:number>/gates"


@blueprint.route(GATES)
@blueprint.arguments(GatesQuery, location="query")
@blueprint.response(200, StageGatesView, example=examples.GATES)
@requires(Permission.MODEL_READ)
def get_gates(query: dict[str, Any], model: str, number: int) -> StageGates:
    """Show what each rule of a stage says of a version now, and the holds that keep it out.

    The answer is 200 also where rules are not met, or the version is held. The lifecycle need not allow the move.
    """
    return verdicts.show(model, number, query["stage"])


@blueprint.route(f"{GATES}/history")
@blueprint.arguments(PageQuery, location="query")
@blueprint.response(200, PastEvaluationPage)
@requires(Permission.MODEL_READ)
@replicable
def list_evaluations(query: dict[str, Any], model: str, number: int) -> dict[str, Any]:
    """List the moves of a version that a policy guarded, newest first."""
    return paged(evaluations.history(model, number, **query))


@blueprint.route(f"{GATES}/history/<uuid:entry>")
@blueprint.response(200, StoredEvaluationView)
@requires(Permission.MODEL_READ)
def get_evaluation(model: str, number: int, entry: UUID) -> StoredEvaluation:
    """Show the facts and verdicts that a guarded move rests on, by the audit entry of the move.

    `registry gate replay` evaluates them again.
    """
    return evaluations.stored(model, number, str(entry))
