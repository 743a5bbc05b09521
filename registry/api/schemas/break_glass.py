"""Moves past the gates, as they are shown wherever their version is resolved."""

from __future__ import annotations

from marshmallow import fields

from registry.http.fields import Instant, View, output


class BrokenGlassView(View):
    """The latest move of the version past the gates, until an approver acknowledges it."""

    at = Instant(**output("When it was moved."))
    by = fields.String(**output("The name of the account that moved it."))
    reason = fields.String(**output("Why; null where the text was redacted.", null=True))
    entry = fields.String(**output("The audit entry of the move."))


def break_glass() -> fields.Nested:
    """Return the field of a view that shows the move of its version past the gates."""
    return fields.Nested(
        BrokenGlassView,
        **output("The move of the version past the gates that no approver has acknowledged; null: none.", null=True),
    )
