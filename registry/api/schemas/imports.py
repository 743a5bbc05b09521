"""Imports on the wire."""

from __future__ import annotations

from typing import Any

from marshmallow import fields, post_load

from registry.api.schemas.versions import VersionBody
from registry.domain import locations
from registry.domain.import_documents import ImportRequest
from registry.http.fields import Flag, Instant, Strict, Text, View, about, output

OPTIONS = frozenset({"allow_secrets", "default_ignores", "create_model"})  # of the import, no facts of the version


class ImportBody(VersionBody):
    """A registration of files that are elsewhere."""

    class Meta(Strict.Meta):
        exclude = ("files", "run_link", "logged_model", "anew", "number", "claimed", "contents", "uploads")

    INCIDENTAL = frozenset()  # create_model says what becomes of the model when no version comes of the import

    source = Text(
        required=True,
        least=1,
        most=locations.MOST,
        rule=locations.problem,
        metadata=about("`s3://bucket/key`, all below `s3://bucket/prefix/`, or one file at `https://host/path`."),
    )
    allow_secrets = Flag(metadata=about("Also copy files that hold credentials."))
    default_ignores = Flag(metadata=about("False: also copy files of version control, caches and operating systems."))
    create_model = Flag(
        metadata=about("Create the model unless there is one. If no version comes of it, the model is deleted again.")
    )

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> Any:
        options = {name: data.pop(name) for name in OPTIONS & data.keys()}
        source = data.pop("source")
        return ImportRequest(source, super()._make(data | {"files": ()}), **options)


class ImportView(View):
    """The import."""

    id = fields.String(**output("The id of the import."))
    model = fields.String(**output("The name of the model."))
    source = fields.String(**output("Where the files are."))
    state = fields.String(**output("`pending`, `running`, `parked` (see `GET /api/v1/jobs`), `done` or `failed`."))
    reason = fields.String(**output("What prevents it, or why it failed.", null=True))
    files = fields.Integer(**output("How many files were fetched."))
    bytes = fields.Integer(**output("How many bytes were fetched."))
    version = fields.Integer(**output("The number of the version, as soon as it has one.", null=True))
    created_at = Instant(**output("When it was requested."))
    created_by = fields.String(**output("The name of the account that requested it."))
    finished_at = Instant(**output("When it was done, or failed.", null=True))
    ignored = fields.List(fields.String(), **output("What was left out by default: the first 100 paths."))
    ignored_count = fields.Integer(**output("How many files and directories were left out by default."))
