"""Active holds, as they are shown wherever their version is resolved."""

from __future__ import annotations

from typing import Any

from marshmallow import fields

from registry.domain.holds import HoldKind
from registry.http.fields import Instant, View, one_of, output


class HoldNoticeView(View):
    """An active hold on the version."""

    id = fields.Integer(**output("The id of the hold."))
    kind = fields.String(**output(f"What it is on: {one_of(HoldKind)}; the last two hold every version downstream."))
    target = fields.String(**output("The version, like `fraud:3`; the digest of the data; or the URI of the model."))
    reason = fields.String(**output("Why it was placed; null where the text was erased.", null=True))
    placed_at = Instant(**output("When it was placed."))
    placed_by = fields.String(**output("The name of the account that placed it."))
    entry = fields.String(**output("The audit entry that placed it."))
    certain = fields.Boolean(
        **output("False where the lineage is too large to decide whether the version is downstream of the target.")
    )


def holds_of(what: str) -> Any:
    """Return the field that lists the active holds."""
    return fields.List(fields.Nested(HoldNoticeView), **output(f"The active holds on {what}, now; empty as a rule."))
