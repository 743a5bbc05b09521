"""Checks on the wire."""

from __future__ import annotations

from typing import Any

from marshmallow import fields, post_load

from registry.api.schemas.paging import PageQuery, page_of
from registry.domain.sizes import CHECK_SUMMARY_LENGTH, CHECK_URL_LENGTH
from registry.domain.states import CheckStatus
from registry.http.fields import Choice, Instant, Pattern, Strict, Text, View, about, one_of, output
from registry.rules.policies.rule import word_problem

_STATUSES = [status.value for status in CheckStatus]
_WEB_ADDRESS = Pattern(r"https?://\S+", error="must be an http or https URL without spaces")


class CheckBody(Strict):
    """The result of a check of a version."""

    name = Text(
        least=1,
        most=100,
        rule=word_problem,
        required=True,
        metadata=about("The name of the check, as a policy has it, e.g. `bias-audit`."),
    )
    status = Text(required=True, validate=[Choice(_STATUSES)], metadata=about(f"The result: {one_of(_STATUSES)}."))
    url = Text(most=CHECK_URL_LENGTH, validate=[_WEB_ADDRESS], metadata=about("Where the report of the check is."))
    summary = Text(most=CHECK_SUMMARY_LENGTH, metadata=about("The result in a few words."))

    @post_load
    def _with_status(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return data | {"status": CheckStatus(data["status"])}


class CheckReportsQuery(PageQuery):
    """Which reports of checks to list."""

    history = fields.Boolean(
        truthy={"true"}, falsy={"false"}, load_default=False, data_key="all",
        metadata=about("`true`: also earlier reports, which do not count any more."),
    )  # fmt: skip


class CheckView(View):
    """A report of a check of a version."""

    id = fields.String(**output("The id of its audit entry, which `registry audit redact` takes."))
    model = fields.String(**output("The name of the model."))
    version = fields.Integer(**output("The number of the version."))
    name = fields.String(**output("The name of the check."))
    status = fields.String(validate=Choice(_STATUSES), **output(f"The result: {one_of(_STATUSES)}."))
    manifest_digest = fields.String(**output("The digest of the files that were checked."))
    at = Instant(**output("When it was reported."))
    reporter = fields.String(**output("The name of the account that reported it."))
    url = fields.String(**output("Where the report of the check is.", null=True))
    summary = fields.String(**output("The result in a few words.", null=True))
    redacted = fields.Boolean(**output("Whether its URL or its summary was redacted."))


CheckPage = page_of(CheckView, "CheckPage")
