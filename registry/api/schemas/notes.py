"""Notes on the wire."""

from __future__ import annotations

from marshmallow import fields

from registry.api.schemas.paging import page_of
from registry.domain.sizes import NOTE_LENGTH
from registry.http.fields import Instant, Strict, Text, View, about, output


class NoteBody(Strict):
    """A comment on a version."""

    text = Text(
        least=1, most=NOTE_LENGTH, required=True, metadata=about("The comment; pages show it as Markdown without HTML.")
    )


class NoteView(View):
    """A comment on a version."""

    id = fields.String(**output("The id of its audit entry, which `registry audit redact` takes."))
    model = fields.String(**output("The name of the model."))
    version = fields.Integer(**output("The number of the version."))
    at = Instant(**output("When it was written."))
    author = fields.String(**output("The name of the account that wrote it."))
    text = fields.String(**output("The comment; null where it was redacted.", null=True))
    redacted = fields.Boolean(**output("Whether the text was redacted."))


NotePage = page_of(NoteView, "NotePage")
