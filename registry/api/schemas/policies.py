"""Policies and verdicts on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, fields

from registry.api.schemas.paging import page_of
from registry.http.fields import Instant, Strict, View, about, output, reason
from registry.rules.policies import MAX_BYTES


class PolicyDocumentField(fields.Field[Any]):
    """A document as an object, or as a text in YAML or JSON; its content is for the service to judge."""

    def __init__(self, **kwargs: Any) -> None:
        text = f"The document, as an object or as a text in YAML or JSON, of {MAX_BYTES // 1024} KiB at most."
        forms = [{"type": "object", "additionalProperties": True}, {"type": "string"}]
        super().__init__(metadata=about(text, oneOf=forms), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        if not isinstance(value, str | dict):
            raise ValidationError("must be an object, or a text in YAML or JSON")
        return value


class PolicyBody(Strict):
    """A policy that is to guard promotions."""

    document = PolicyDocumentField(required=True)
    reason = reason(required=True)


class PolicyReasonQuery(Strict):
    """Reason of a removal."""

    reason = reason(required=True)


class PolicyView(View):
    """A policy as it was set, or its removal."""

    VERSIONED = True

    model = fields.String(
        **output("The model that it was set for; null for the default policy, of models without their own.", null=True)
    )
    number = fields.Integer(**output("Counts the changes of this policy from 1."))
    digest = fields.String(
        **output("The digest of the document in RFC 8785 form, `sha256:…`; null where it was removed.", null=True)
    )
    document = fields.Dict(**output("The document; null where the policy was removed.", null=True))
    set_at = Instant(**output("When it was set or removed."))
    set_by = fields.String(**output("The name of the account that did it."))
    reason = fields.String(**output("Why; null where the text was redacted.", null=True))
    entry = fields.String(**output("The audit entry of the change."))
    changed = fields.Boolean(**output("False where the request set the document that was there before."))


class PolicyDocumentView(View):
    """The document of a policy that was ever set."""

    digest = fields.String(**output("Its digest, `sha256:…`."))
    document = fields.Dict(**output("The document."))


PolicyPage = page_of(PolicyView, "PolicyPage")
