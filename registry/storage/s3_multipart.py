"""Multipart uploads to an S3 store: sent by clients to signed URLs, or by this service.

A checksum of each part is required where the server was found to refuse wrong ones: S3 wants it announced at the
beginning, with each part, and again at the end, where it takes what the server itself lists. No server has a SHA-256
of the whole.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from registry.domain.errors import Conflict
from registry.rules.part_sizes import MOST_PARTS
from registry.storage.driver import OCTET_STREAM, Missing, Part, StoreError, Target, Unfinished
from registry.storage.s3_client import Clients, checksum, naming_errors, seconds_until

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef, PartTypeDef

_WRITTEN_PART = 16 * 1024 * 1024
_NOT_UNDERSTOOD = frozenset({400, 501})
_BAD_PARTS = frozenset({"InvalidPart", "InvalidPartOrder", "EntityTooSmall", "EntityTooLarge", "MalformedXML"})


class S3Parts:
    """Multipart uploads to *bucket*, their keys below *prefix*; *verifies* is set when checksums are verified."""

    def __init__(self, clients: Clients, bucket: str, prefix: str, verifies: Callable[[], bool]) -> None:
        self._clients = clients
        self._bucket = bucket
        self._prefix = prefix
        self._verifies = verifies

    def begin(self, key: str, *, checked: bool = True) -> str:
        """Begin an upload; return its id, which is the handle. With *checked* each part has its checksum."""
        asked: dict[str, Any] = {**self._address(key), "ContentType": OCTET_STREAM}
        begin = self._clients.client.create_multipart_upload
        with naming_errors():
            if checked and self._verifies():
                try:
                    return begin(**asked, ChecksumAlgorithm="SHA256")["UploadId"]
                except ClientError as error:  # some verify checksums without the parameter, and refuse it
                    if error.response["ResponseMetadata"]["HTTPStatusCode"] not in _NOT_UNDERSTOOD:
                        raise
            return begin(**asked)["UploadId"]

    def sign(self, key: str, handle: str, number: int, *, sha256: str, size: int, expires_at: datetime) -> Target:
        """Presign one part: its number, its size and, where that is of use, its checksum are under the signature."""
        signed: dict[str, Any] = {**self._upload(key, handle), "PartNumber": number, "ContentLength": size}
        headers = {}
        if self._verifies():
            signed["ChecksumSHA256"] = headers["x-amz-checksum-sha256"] = checksum(sha256)
        with naming_errors():
            url = self._clients.signer.generate_presigned_url(
                "upload_part", Params=signed, ExpiresIn=seconds_until(expires_at)
            )
        return Target("PUT", url, headers, expires_at)

    def sign_any(self, key: str, handle: str, number: int, *, expires_at: datetime) -> Target:
        """Presign one part of which only the number is known."""
        signed: dict[str, Any] = {**self._upload(key, handle), "PartNumber": number}
        with naming_errors():
            url = self._clients.signer.generate_presigned_url(
                "upload_part", Params=signed, ExpiresIn=seconds_until(expires_at)
            )
        return Target("PUT", url, {}, expires_at)

    def finished(self, key: str, handle: str) -> list[Part]:
        """Return the parts that have arrived, by number. Raises Missing."""
        return [Part(part["PartNumber"], part["Size"]) for part in self._listed(key, handle)]

    def join(self, key: str, handle: str) -> None:
        """Make the parts one object. Raises Missing, or Conflict when none has arrived.

        An upload that was joined already is unknown, or is joined again to the same object, as the server likes it.
        """
        parts = [_completed_part(part) for part in self._listed(key, handle)]
        if not parts:
            raise Conflict("none of the parts has arrived", missing_parts=[1])
        self._complete(key, handle, parts)

    def join_named(self, key: str, handle: str, etags: Mapping[int, str]) -> None:
        """Make the parts that have these ETags one object. Raises Missing, or Conflict when the server has others."""
        parts: list[CompletedPartTypeDef] = [{"PartNumber": number, "ETag": etags[number]} for number in sorted(etags)]
        try:
            self._complete(key, handle, parts)
        except StoreError as error:
            refused = error.__cause__
            if not isinstance(refused, ClientError) or refused.response.get("Error", {}).get("Code") not in _BAD_PARTS:
                raise
            raise Conflict(f"the store refuses these parts: {refused.response['Error'].get('Message')}") from error

    def abort(self, key: str, handle: str) -> None:
        """Drop an upload and its parts; it may be gone already."""
        with suppress(Missing), naming_errors():
            self._clients.client.abort_multipart_upload(**self._upload(key, handle))

    def unfinished(self, below: str) -> Iterator[Unfinished]:
        """Walk the uploads to keys that begin with *below*."""
        pages = self._clients.client.get_paginator("list_multipart_uploads")
        with naming_errors():
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix + below):
                for entry in page.get("Uploads", []):
                    key = entry["Key"].removeprefix(self._prefix)
                    yield Unfinished(key, entry["UploadId"], entry["Initiated"])

    def write(self, key: str, chunks: Iterable[bytes], *, size: int) -> None:
        """Send an object from here, as one request when it is small. An error leaves no object and no parts."""
        part_size = max(_WRITTEN_PART, -(-size // MOST_PARTS))
        if size > part_size:
            self._write_parts(key, _regrouped(chunks, part_size))
            return
        with tempfile.SpooledTemporaryFile(max_size=part_size) as whole:
            for chunk in chunks:
                whole.write(chunk)
            self._put(key, _rewound(whole))

    def _write_parts(self, key: str, parts: Iterator[IO[bytes]]) -> None:
        handle = self.begin(key)
        sent: list[CompletedPartTypeDef] = []
        try:
            for number, part in enumerate(parts, start=1):
                known = self._checksum(part)
                with naming_errors():
                    upload = {**self._upload(key, handle), "PartNumber": number}
                    put = self._clients.client.upload_part(**upload, Body=part, **known)
                sent.append({"PartNumber": number, "ETag": put["ETag"], **known})  # type: ignore[typeddict-item]
            self._complete(key, handle, sent)
        except BaseException:
            with suppress(StoreError):  # else the collector finds it among the unfinished uploads
                self.abort(key, handle)
            raise

    def _put(self, key: str, body: IO[bytes]) -> None:
        known = self._checksum(body)
        with naming_errors():
            self._clients.client.put_object(**self._address(key), ContentType=OCTET_STREAM, Body=body, **known)

    def _complete(self, key: str, handle: str, parts: list[CompletedPartTypeDef]) -> None:
        with naming_errors():
            self._clients.client.complete_multipart_upload(
                **self._upload(key, handle), MultipartUpload={"Parts": parts}
            )

    def _listed(self, key: str, handle: str) -> Iterator[PartTypeDef]:
        with naming_errors():
            for page in self._clients.client.get_paginator("list_parts").paginate(**self._upload(key, handle)):
                yield from page.get("Parts", [])

    def _checksum(self, part: IO[bytes]) -> dict[str, Any]:
        if not self._verifies():
            return {}
        digest = hashlib.file_digest(part, "sha256").hexdigest()  # type: ignore[arg-type]  # the stubs lack IO
        part.seek(0)
        return {"ChecksumSHA256": checksum(digest)}

    def _address(self, key: str) -> dict[str, Any]:
        return {"Bucket": self._bucket, "Key": self._prefix + key}

    def _upload(self, key: str, handle: str) -> dict[str, Any]:
        return {**self._address(key), "UploadId": handle}


def _completed_part(part: PartTypeDef) -> CompletedPartTypeDef:
    """Name a part of the list as the completion wants it; a checksum only where the server lists it."""
    named: CompletedPartTypeDef = {"PartNumber": part["PartNumber"], "ETag": part["ETag"]}
    if "ChecksumSHA256" in part:
        named["ChecksumSHA256"] = part["ChecksumSHA256"]
    return named


def _regrouped(chunks: Iterable[bytes], size: int) -> Iterator[IO[bytes]]:
    """Lend parts of *size* bytes, one after the other in the same file, which is on disk only where they are large."""
    with tempfile.SpooledTemporaryFile(max_size=_WRITTEN_PART) as part:
        for chunk in chunks:
            rest = memoryview(chunk)
            while rest:
                rest = rest[part.write(rest[: size - part.tell()]) :]
                if part.tell() == size:
                    yield _rewound(part)
                    part.seek(0)
                    part.truncate()
        if part.tell():
            yield _rewound(part)


def _rewound(file: IO[bytes]) -> IO[bytes]:
    file.seek(0)
    return file
