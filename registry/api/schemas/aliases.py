"""Aliases on the wire."""

from __future__ import annotations

from marshmallow import fields

from registry.api.schemas.break_glass import break_glass
from registry.api.schemas.hold_notices import holds_of
from registry.api.schemas.paging import page_of
from registry.http.fields import Instant, Strict, View, about, output, reason, version_number

EXPECTED = about("Refuse (409 stale) unless the alias points at this version; null: unless it does not exist.")


class AliasBody(Strict):
    """Request to move an alias."""

    version = version_number(required=True, metadata=about("The number of the version."))
    expected_current = version_number(allow_none=True, metadata=EXPECTED)
    reason = reason()


class AsOfQuery(Strict):
    """The instant that is asked about."""

    as_of = Instant(metadata=about("The instant to answer for; by default, now."))


class AliasView(View):
    """The alias, and the version at which it points or pointed."""

    VERSIONED = True

    model = fields.String(**output("The name of the model."))
    alias = fields.String(**output("The name of the alias."))
    number = fields.Integer(**output("The number of the version."))
    manifest_digest = fields.String(**output("The digest of the version's manifest, `sha256:…`.", null=True))
    since = Instant(**output("When it began to point there."))
    until = Instant(**output("When it was moved or deleted; null while it points there.", null=True))
    entry = fields.String(**output("The audit entry that the answer rests on."))
    actor = fields.String(**output("The name of the account that set it."))
    reason = fields.String(**output("Why it was set.", null=True))
    break_glass = break_glass()
    holds = holds_of("the version")
    state = fields.String(
        **output("The state of the version, now. `unverified`: its files are elsewhere and were never verified here.")
    )
    protected = fields.Boolean(
        **output("Whether it points at ready versions only, and moves with the permission version:promote only.")
    )


class ProtectionView(View):
    """Response: the protection of an alias."""

    model = fields.String(**output("The name of the model."))
    alias = fields.String(**output("The name of the alias."))
    protected = fields.Boolean(**output("Whether it is protected now."))
    changed = fields.Boolean(**output("False where it was so before."))


AliasPage = page_of(AliasView, "AliasPage")
