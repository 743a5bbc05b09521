"""Entries of the sealed log on the wire."""

from __future__ import annotations

import base64

from marshmallow import fields, validate

from registry.api.schemas.audit import ChainTextView
from registry.api.schemas.paging import DEFAULT_LIMIT, LIMIT, LIMITED
from registry.http.fields import QueryNumber, Strict, View, about, output
from registry.rules.audit_log.tree import MAX_SIZE


class SealedQuery(Strict):
    """``limit`` entries after a position."""

    after = QueryNumber(
        digits=19,
        load_default=None,
        validate=validate.Range(0, MAX_SIZE - 1),
        metadata=about("Only entries after this position; without it, from position 0."),
    )
    limit = QueryNumber(load_default=DEFAULT_LIMIT, validate=validate.Range(1, LIMIT), metadata=LIMITED)


class SealedEntryView(View):
    """An entry with its position in the sealed log, as a line of `entries.jsonl` in an evidence file."""

    position = fields.Integer(**output("Its position, counted from 0: the index of its leaf."))
    body = fields.Function(
        lambda entry: base64.b64encode(entry.body).decode(),
        **output("The content: the bytes that were hashed (RFC 8785), in base 64."),
    )
    texts = fields.Dict(
        keys=fields.String(),
        values=fields.Nested(ChainTextView, allow_none=True),
        **output("Its texts by name; null for one that was erased."),
    )


class SealedPage(View):
    """A page of the sealed log, in the order of positions."""

    items = fields.List(fields.Nested(SealedEntryView), **output("The entries."))
    next_after = fields.Integer(
        **output("The `after` of the next request; null while the log has no entries.", null=True)
    )
    more = fields.Boolean(**output("Whether other entries can be read now."))
