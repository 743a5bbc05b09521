"""The files of a version by folder, and the preview of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from http import HTTPStatus
from typing import Any

from flask import redirect, request
from marshmallow import fields
from werkzeug import Response

from registry.db.records import FileRecord, VersionRecord
from registry.db.records import Page as Listed
from registry.domain.access import Permission
from registry.domain.errors import BlobsMissing, Conflict, NotFound, NotReady, RegistryError, Unavailable
from registry.http import cursors
from registry.http.access import requires
from registry.http.context import absolute, current_actor, settings, store
from registry.http.downloads import note
from registry.http.fields import Text
from registry.services.catalog import browsing, versions
from registry.services.catalog.browsing import ManifestEntry
from registry.services.downloads import heads, urls
from registry.services.usage.downloads import Way
from registry.web import forms
from registry.web.addresses import command, url_for
from registry.web.blueprint import blueprint
from registry.web.pages import Crumb
from registry.web.rendering import page
from registry.web.text import preview
from registry.web.text.preview import NoPreview, Preview
from registry.web.views.versions import VersionTab

ROWS = 200


class FolderQuery(forms.WebQuery):
    """The folder of the page, and the position in it."""

    folder = Text(load_default="", most=2048)
    cursor = fields.String(load_default=None)


class FilesPage(VersionTab):
    """One folder of a version; folders in it are folded."""

    template = "files.html"
    tab = "files"

    def __init__(self, version: VersionRecord, query: Mapping[str, str | None]) -> None:
        self.folder = query["folder"] or ""
        self.cursor = query["cursor"]
        super().__init__(version, *_folder_crumbs(version, self.folder, is_last=True))
        self.command = command("registry", "version", "files", self.reference)
        self.api += "/files"

    @cached_property
    def entries(self) -> Listed[ManifestEntry]:
        """Return a page of the entries of the folder, by name."""
        position = cursors.position(self.cursor)
        after = str(position[0]) if position else None
        return browsing.folder(self.version.model, self.version.number, self.folder, after=after, limit=ROWS)

    @property
    def more(self) -> str | None:
        """Return the address of the next page."""
        cursor = cursors.of(self.entries.next_after)
        return cursor and url_for("files", folder=self.folder or None, cursor=cursor, **self.place)

    @property
    def empty_text(self) -> str:
        """Return the text for a folder without files."""
        if self.version.manifest_digest is None:
            return "The files of this version are not recorded."
        return "This version has no files." if not self.cursor else "There are no more files."

    def path(self, entry: ManifestEntry) -> str:
        """Return the whole path of an entry, of a folder without its slash."""
        name = entry.name.rstrip("/")
        return f"{self.folder}/{name}" if self.folder else name


class FilePage(VersionTab):
    """One file: its facts, and a preview where the caller may download it."""

    template = "file.html"
    tab = "files"

    def __init__(self, version: VersionRecord, file: FileRecord) -> None:
        folder, _, name = file.path.rpartition("/")
        super().__init__(version, *_folder_crumbs(version, folder, is_last=False), Crumb(name))
        self.file = file
        self.command = command("registry", "pull", self.reference, "--include", file.path, "-o", "files")
        self.api += "/files"
        self.unavailable: Unavailable | None = None

    @property
    def may_download(self) -> bool:
        return Permission.FILE_DOWNLOAD in current_actor().permissions

    @cached_property
    def preview(self) -> Preview:
        """Return the preview, or the reason why there is none; sets ``unavailable`` if the store does not respond."""
        if not self.may_download:
            return NoPreview("Viewing or downloading the file requires the permission file:download.")
        path, most = self.file.path, preview.wanted(self.file.path)
        model, number = self.version.model, self.version.number
        try:
            head = heads.head(model, number, path, store=store(), most=most)
        except Unavailable as error:
            self.unavailable = error
            return NoPreview(f"No preview: {error.detail}.")
        except (BlobsMissing, Conflict, NotReady) as error:
            return NoPreview(f"No preview: {error.detail}.")
        note(model, number, Way.PREVIEW)
        return preview.preview(path, head.content, self.file.size)

    @property
    def shown_size(self) -> int:
        """Return how many bytes a preview of text shows at most."""
        return min(preview.TEXT_BYTES, self.file.size)

    @property
    def kind(self) -> str:
        """Return the name of the kind of preview, for the template."""
        return type(self.preview).__name__


@blueprint.get("/models/<model:model>/versions/<number:number>/files")
@requires(Permission.MODEL_READ)
def files(model: str, number: int) -> Response:
    shown = FilesPage(versions.describe(model, number), forms.query(FolderQuery))
    return page(shown)


@blueprint.get("/models/<model:model>/versions/<number:number>/files/<manifest_path:path>")
@requires(Permission.MODEL_READ, surely=True)
def file(model: str, number: int, path: str) -> Response:
    if "download" in request.args:
        return _download(model, number, path)
    try:
        found = browsing.file(model, number, path)
    except NotFound as error:
        return _folder_of_that_name(model, number, path, error)
    shown = FilePage(versions.describe(model, number), found)
    shown.preview  # noqa: B018 -- the status depends on it
    response = page(shown, status=HTTPStatus.SERVICE_UNAVAILABLE if shown.unavailable else HTTPStatus.OK)
    if shown.unavailable:
        response.headers["Retry-After"] = str(shown.unavailable.retry_after)
    return response


def _download(model: str, number: int, path: str) -> Response:
    current_actor().require(Permission.FILE_DOWNLOAD)
    url = urls.sign(model, number, path, store=store(), expires_in=settings().url_expiry)
    note(model, number, Way.FILE)
    return redirect(absolute(url), HTTPStatus.FOUND)


def _folder_of_that_name(model: str, number: int, path: str, error: RegistryError) -> Response:
    """Redirect to the folder of that path; raise *error* if there is none."""
    try:
        browsing.folder(model, number, path, limit=1)
    except NotFound:
        raise error from None
    address = url_for("files", model=model, number=number, folder=path)
    return redirect(address, HTTPStatus.FOUND)


def _folder_crumbs(version: VersionRecord, folder: str, *, is_last: bool) -> Sequence[Crumb]:
    """Return the breadcrumb of a folder: the list of files, and each folder above it."""
    place: Mapping[str, Any] = {"model": version.model, "number": version.number}
    parts = folder.split("/") if folder else []
    crumbs = [Crumb("Files", url_for("files", **place))]
    for count, part in enumerate(parts, 1):
        path = "/".join(parts[:count])
        crumbs.append(Crumb(part, url_for("files", **place, folder=path)))
    return [*crumbs[:-1], Crumb(crumbs[-1].text)] if is_last else crumbs
