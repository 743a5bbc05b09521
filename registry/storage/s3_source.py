"""Imports from buckets, on the server and with the credentials of the store; see ``sources``.

The role needs s3:GetObject where files are fetched from, and s3:ListBucket where a whole prefix is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import ClientError

from registry.domain.locations import Location
from registry.storage.driver import CHUNK, Denied, Missing, StoreError
from registry.storage.s3_client import ChecksumMode, Clients, naming_errors
from registry.storage.sources import Refused, SourceFile, check_status


class S3Source:
    """``s3://bucket/key`` is that object, else all objects whose keys begin with ``key/``; keys are taken literally."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def files(self, location: Location) -> Iterator[SourceFile]:
        """Yield the object, under the last step of its key; or those below it, under what comes after the prefix."""
        if location.path and not location.path.endswith("/"):
            if file := self._object(location):
                yield file
                return
            location = Location(location.scheme, location.place, f"{location.path}/")
        yield from self._below(location)

    def read(self, file: SourceFile) -> Iterator[bytes]:
        """Stream the object that was found; Refused when there is another in its place."""
        pinned = file.etag or "*"
        with _naming_s3_errors(file.location):
            body = self._clients.client.get_object(Bucket=file.location.place, Key=file.location.path, IfMatch=pinned)[
                "Body"
            ]
            with body:
                yield from body.iter_chunks(CHUNK)

    def _object(self, location: Location) -> SourceFile | None:
        try:
            with naming_errors():
                head = self._clients.client.head_object(Bucket=location.place, Key=location.path)
        except Missing:
            return None
        except StoreError as error:
            raise _named_error(error, location) from error
        return SourceFile(location, location.path.rpartition("/")[2], head["ContentLength"], head["ETag"])

    def _below(self, location: Location) -> Iterator[SourceFile]:
        pages = self._clients.client.get_paginator("list_objects_v2")
        with _naming_s3_errors(location):
            for page in pages.paginate(Bucket=location.place, Prefix=location.path):
                for item in page.get("Contents", []):
                    if item["Key"].endswith("/") and not item["Size"]:
                        continue  # what consoles make where they show a directory
                    place = Location(location.scheme, location.place, item["Key"])
                    yield SourceFile(place, item["Key"].removeprefix(location.path), item["Size"], item["ETag"])


def open_s3_source(
    *, endpoint_url: str | None, region: str | None, path_style: bool, checksum_mode: ChecksumMode
) -> S3Source:
    """Return a source on the server of the store's settings; no connection yet."""
    return S3Source(
        Clients(
            endpoint_url=endpoint_url,
            public_endpoint_url=None,
            region=region,
            path_style=path_style,
            checksum_mode=checksum_mode,
        )
    )


@contextmanager
def _naming_s3_errors(location: Location) -> Iterator[None]:
    try:
        with naming_errors():
            yield
    except StoreError as error:
        raise _named_error(error, location) from error


def _named_error(error: StoreError, location: Location) -> Exception:
    """Refused where the server's answer is one that stays, else the error itself."""
    if isinstance(error, Denied):
        return Refused(
            f"{location} does not let this registry read it (403): its credentials need s3:GetObject, and for a prefix "
            "s3:ListBucket, without which S3 answers the same where there is nothing"
        )
    answer = error.__cause__
    if not isinstance(answer, ClientError):
        return error
    status = answer.response["ResponseMetadata"]["HTTPStatusCode"]
    if status == 400:
        return error  # credentials that have expired among others
    try:
        check_status(status, location)
    except (Refused, StoreError) as named:
        return named
    return error
