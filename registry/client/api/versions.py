"""Versions: immutable numbered snapshots of a model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, cast

from registry.client import records
from registry.client.errors import Conflict
from registry.client.fields import comma_separated, given, labels
from registry.client.http.transport import PAGE, Transport, path, read
from registry.client.types import (
    CheckStatus,
    CheckView,
    ComparisonView,
    Direction,
    EntryView,
    FileComparisonView,
    FileView,
    MetricView,
    NoteView,
    RegisteredView,
    Stage,
    VersionLineageView,
    VersionView,
)
from registry.client.values import When, finite
from registry.rules.manifest import MOST_FILES

FILES_PAGE = 1000
GONE = ("deleted", "failed")


class Versions:
    """Immutable numbered snapshots of a model."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def __call__(self, model: str, *, stage: Stage | None = None, state: str | None = None) -> Sequence[dict[str, Any]]:
        """Return versions as flat rows, newest first, as for ``pandas.DataFrame(registry.versions("fraud"))``.

        ``list`` gives the versions themselves; see ``records.rows`` for the columns.
        """
        return [*records.rows(self.list(model, stage=stage, state=state))]

    def register(self, model: str, body: Mapping[str, Any], *, idempotency_key: str | None = None) -> RegisteredView:
        """Register a version whose bytes are uploaded already; raises BlobsMissing when they are not.

        *body* is the request as the API defines it; ``RegistryClient.register`` makes one from files. Without a key the
        call has its own: files, run and facts decide whether the version is there already. With the key of an earlier
        call ``created`` is False, and the version is shown as it is now.

        Raises FactsDiffer when the version with these files and this run has other facts. Raises Conflict when the
        version of an earlier call was deleted or failed since.
        """
        where = path("models", model, "versions")
        with self._transport.send("POST", where, body=body, key=idempotency_key) as response:
            registered = read(RegisteredView, response)
            replayed = response.headers.get("Idempotency-Replayed") == "true"
        return self._as_it_is_now(registered) if replayed and idempotency_key is not None else registered

    def _as_it_is_now(self, registered: RegisteredView) -> RegisteredView:
        made = registered["version"]
        version = self.get(made["model"], made["number"])
        if version["state"] in GONE:
            raise Conflict(
                f"{version['model']}:{version['number']} was registered with this idempotency key and is "
                f"{version['state']} now. To register the files again, use another key.",
                status=409,
            )
        again = {**registered, "created": False, "version": version}
        return cast(RegisteredView, records.of(RegisteredView, again))

    def list(
        self,
        model: str,
        *,
        stage: Stage | None = None,
        state: str | None = None,
        fields: Iterable[str] | None = None,
    ) -> Iterator[VersionView]:
        """Yield versions, newest first. With *fields*, each has only these."""
        query = {"stage": stage, "state": state, "fields": comma_separated(fields)}
        return self._transport.pages(VersionView, path("models", model, "versions"), query=query)

    def get(self, model: str, number: int) -> VersionView:
        """Return one version, also a deleted one."""
        return self._transport.one(VersionView, "GET", _version_path(model, number))

    def edit(
        self,
        model: str,
        number: int,
        *,
        description: str | None = None,
        tags: Mapping[str, Any] | None = None,
        reason: str | None = None,
        if_match: str | None = None,
        idempotency_key: str | None = None,
    ) -> VersionView:
        """Change what is given; a tag whose value is None is removed."""
        body = given(description=description, tags=labels(tags), reason=reason)
        return self._transport.one(
            VersionView, "PATCH", _version_path(model, number), body=body, if_match=if_match, key=idempotency_key
        )

    def delete(self, model: str, number: int, *, reason: str | None = None, if_match: str | None = None) -> VersionView:
        """Put a tombstone on a version; raises InUse while it serves or others derive from it."""
        return self._transport.one(
            VersionView, "DELETE", _version_path(model, number), query={"reason": reason}, if_match=if_match
        )

    def restore(
        self, model: str, number: int, *, reason: str | None = None, idempotency_key: str | None = None
    ) -> VersionView:
        """Take the tombstone away again."""
        return self._transport.one(
            VersionView, "POST", _version_path(model, number, "restore"), body=given(reason=reason), key=idempotency_key
        )

    def files(self, model: str, number: int, *, signed: bool = False) -> Iterator[FileView]:
        """Yield the files by path; with *signed*, each with the signed ``url`` of its bytes."""
        where = _version_path(model, number, "files")
        if signed:
            return self._transport.pages(FileView, where, query={"signed": True}, most=MOST_FILES)
        return self._transport.pages(FileView, where, size=FILES_PAGE, most=MOST_FILES)

    def file_url(self, model: str, number: int, file: str) -> str:
        """Return a signed URL of one file's bytes. It is valid for some minutes, and needs no token."""
        return self._transport.location(_version_path(model, number, "files", *file.split("/")))

    def purge(
        self,
        model: str,
        number: int,
        *,
        reason: str | None = None,
        now: bool = False,
        idempotency_key: str | None = None,
    ) -> VersionView:
        """Give up the bytes of a version that was deleted long enough ago, or at all with *now*; its history stays."""
        body = given(reason=reason, now=now or None)
        return self._transport.one(
            VersionView, "POST", _version_path(model, number, "purge"), body=body, key=idempotency_key
        )

    def measure(
        self,
        model: str,
        number: int,
        metrics: Mapping[str, Any],
        *,
        step: int | None = None,
        dataset_digest: str | None = None,
        dataset_name: str | None = None,
        slice: str | None = None,
        idempotency_key: str | None = None,
    ) -> VersionView:
        """Append an evaluation, of any finite numbers; earlier values stay in ``metrics()``.

        *dataset_digest* identifies the data that it was measured on. Without one, *dataset_name* names a dataset of the
        version's lineage; raises Invalid where it has none of this name. *slice* is the part of that data, as
        ``country=DE``; without one, it was measured on all of it.
        """
        body = given(
            metrics=finite(metrics), step=step, dataset_digest=dataset_digest, dataset_name=dataset_name, slice=slice
        )
        return self._transport.one(
            VersionView, "POST", _version_path(model, number, "metrics"), body=body, key=idempotency_key
        )

    def metrics(self, model: str, number: int) -> Iterator[MetricView]:
        """Yield every recorded value."""
        return self._transport.pages(MetricView, _version_path(model, number, "metrics"))

    def note(self, model: str, number: int, text: str, *, idempotency_key: str | None = None) -> NoteView:
        """Comment on a version, of at most 10,000 characters of Markdown; the comment is an entry of its history.

        Raises RateLimited after 100 comments of one account in an hour.
        """
        where = _version_path(model, number, "notes")
        return self._transport.one(NoteView, "POST", where, body={"text": text}, key=idempotency_key)

    def notes(self, model: str, number: int, *, limit: int | None = None) -> Iterator[NoteView]:
        """Yield the comments on a version, newest first; with *limit*, at most so many."""
        where = _version_path(model, number, "notes")
        return islice(self._transport.pages(NoteView, where, size=min(limit or PAGE, PAGE)), limit)

    def report_check(
        self,
        model: str,
        number: int,
        name: str,
        status: CheckStatus,
        *,
        url: str | None = None,
        summary: str | None = None,
        idempotency_key: str | None = None,
    ) -> CheckView:
        """Report the result of a check of the version's files; it replaces the earlier report of this name.

        Raises Forbidden where the model's policy has other reporters for the check.
        """
        body = given(name=name, status=status, url=url, summary=summary)
        where = _version_path(model, number, "checks")
        return self._transport.one(CheckView, "POST", where, body=body, key=idempotency_key)

    def checks(self, model: str, number: int, *, everything: bool = False) -> Iterator[CheckView]:
        """Yield the latest report of each check, newest first; with *everything*, also those that it replaced."""
        where = _version_path(model, number, "checks")
        return self._transport.pages(CheckView, where, query={"all": "true"} if everything else None)

    def lineage(
        self, model: str, number: int, *, depth: int | None = None, direction: Direction | None = None
    ) -> VersionLineageView:
        """Return the run, code, environment, datasets and parents of a version.

        With a *depth* of 1 to 50 there is a ``graph`` of so many steps: ``up`` to what it was made from, ``down`` to
        the versions that derive from it, or both.
        """
        return self._transport.one(
            VersionLineageView,
            "GET",
            _version_path(model, number, "lineage"),
            query={"depth": depth, "direction": direction},
        )

    def compare(self, *references: str, everything: bool = False) -> ComparisonView:
        """Compare two to six versions, of one model or of several, with the first. Raises Invalid or NotFound.

        The references are as ``fraud:9``, ``fraud@champion``, ``fraud#production``. The answer has what differs; with
        *everything* also what is equal.
        """
        query = {"v": list(references), "all": everything}
        return self._transport.one(ComparisonView, "GET", "/compare", query=query)

    def diff_file(self, first: str, second: str, path: str) -> FileComparisonView:
        """Compare a text file in two versions, named by references: its lines, and the packages that it names."""
        query = {"v": [first, second], "path": path}
        return self._transport.one(FileComparisonView, "GET", "/compare/file", query=query)

    def diff(self, model: str, first: int, second: int, *, everything: bool = False) -> ComparisonView:
        """Compare two versions of a model, as ``compare`` does."""
        where = _version_path(model, first, "diff", str(second))
        return self._transport.one(ComparisonView, "GET", where, query={"all": everything})

    def history(
        self,
        model: str,
        number: int,
        *,
        action: str | None = None,
        actor: str | None = None,
        since: When | None = None,
        until: When | None = None,
    ) -> Iterator[EntryView]:
        """Yield the history of one version, newest first."""
        query = {"action": action, "actor": actor, "since": since, "until": until}
        return self._transport.pages(EntryView, _version_path(model, number, "history"), query=query)

    def etag(self, model: str, number: int) -> str | None:
        """Return the version's current ETag, for ``if_match``."""
        with self._transport.send("GET", _version_path(model, number)) as response:
            return response.headers.get("ETag")


def _version_path(model: str, number: int, *rest: str) -> str:
    return path("models", model, "versions", number, *rest)
