"""Aliases on the wire."""

from __future__ import annotations

from marshmallow import fields

from registry.api.schemas.fields import Instant, Strict, View, reason, version_number
from registry.api.schemas.paging import page_of

EXPECTED = {"description": "Refuse (409 stale) unless the alias points at this version; null: does not exist."}


class AliasBody(Strict):
    version = version_number(required=True)
    expected_current = version_number(allow_none=True, metadata=EXPECTED)
    reason = reason()


class AsOfQuery(Strict):
    as_of = Instant(metadata={"description": "Where it pointed then; by default, now."})


class AliasView(View):
    model = fields.String(required=True)
    alias = fields.String(required=True)
    number = fields.Integer(required=True)
    manifest_digest = fields.String(required=True, allow_none=True)
    since = Instant(required=True)
    until = Instant(required=True, allow_none=True)
    entry = fields.String(required=True, metadata={"description": "The audit entry that the answer rests on."})
    actor = fields.String(required=True)
    reason = fields.String(required=True, allow_none=True)
    state = fields.String(
        required=True,
        metadata={"description": "of the version, now: unverified when the registry has never seen its files"},
    )
    protected = fields.Boolean(
        required=True, metadata={"description": "Whether it points at ready versions only, moved by version:promote."}
    )


class ProtectionView(View):
    """``changed`` is false when it was so before."""

    model = fields.String(required=True)
    alias = fields.String(required=True)
    protected = fields.Boolean(required=True)
    changed = fields.Boolean(required=True)


AliasPage = page_of(AliasView, "AliasPage")
