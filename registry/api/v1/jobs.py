"""Background jobs: which wait, which are parked, and one more try."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from registry.api.blueprint import Blueprint
from registry.api.schemas.jobs import JobPage, JobsQuery, JobView
from registry.api.schemas.paging import paged
from registry.db.records import JobRecord
from registry.domain.access import Permission
from registry.http.access import requires
from registry.http.context import current_actor, current_claim
from registry.services import background_jobs

blueprint = Blueprint("jobs", __name__, url_prefix="/api/v1", description="Background jobs that are not done.")


@blueprint.route("/jobs")
@blueprint.arguments(JobsQuery, location="query")
@blueprint.response(200, JobPage)
@requires(Permission.JOB_MANAGE)
def list_jobs(query: dict[str, Any]) -> dict[str, Any]:
    """List background jobs that are not done, oldest first; abandoned ones where the query names that state."""
    return paged(background_jobs.list_(**query))


@blueprint.route("/jobs/<uuid:job_id>/retry", methods=["POST"])
@blueprint.response(200, JobView, recall=background_jobs.recall)
@requires(Permission.JOB_MANAGE)
def retry_job(job_id: UUID) -> JobRecord:
    """Return a parked or abandoned job to the workers."""
    return background_jobs.retry(str(job_id), actor=current_actor(), claim=current_claim())
