"""Background jobs on the wire."""

from __future__ import annotations

from marshmallow import fields

from registry.api.schemas.paging import PageQuery, page_of
from registry.domain.states import JobState
from registry.http.fields import Choice, Instant, View, about, output


class JobsQuery(PageQuery):
    """Filter of jobs."""

    state = fields.String(validate=Choice(tuple(JobState)), metadata=about("Only jobs in this state."))


class JobView(View):
    """The job."""

    id = fields.String(**output("The id of the job."))
    kind = fields.String(
        **output("`import`, `upload` (to be verified), `artifact` (to be hashed) or `refresh` (of an unfinished run).")
    )
    state = fields.String(
        **output(
            "`waiting`, `running`, `parked` after three attempts that ended without a result, or `abandoned`: the end "
            "of a run was not seen."
        )
    )
    subject = fields.String(
        **output("The source of an import, the digest of an upload, the path of an artifact, or the id of a run.")
    )
    model = fields.String(**output("The name of the model that it is for.", null=True))
    version = fields.Integer(**output("The number of the version that it is for.", null=True))
    attempts = fields.Integer(**output("How many attempts were begun since it was last returned to the workers."))
    reason = fields.String(**output("What last prevented it.", null=True))
    created_at = Instant(**output("When it was created."))
    created_by = fields.String(**output("The name of the account that caused it."))
    parked_at = Instant(**output("When it was parked.", null=True))


JobPage = page_of(JobView, "JobPage")
