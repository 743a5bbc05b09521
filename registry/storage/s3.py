"""The store in a bucket of any S3-compatible server; only this module and its parts import boto3.

Credentials come from where boto3 finds them: environment, profile, container or instance role. Without s3:ListBucket
S3 answers 403, not 404, for an absent object: see ``_is_absent``. ``deploy/docs/store.md`` lists the right that each
operation needs.
"""

from __future__ import annotations

import hashlib
import threading
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from registry.storage.driver import (
    CHUNK,
    OCTET_STREAM,
    Denied,
    ListedObject,
    Missing,
    Part,
    Stat,
    StoreError,
    Target,
    Unfinished,
    attachment,
)
from registry.storage.keys import BLOBS, IDENTITY, PIN, PLACES
from registry.storage.s3_client import ChecksumMode, Clients, checksum, naming_errors, seconds_until
from registry.storage.s3_multipart import S3Parts
from registry.storage.s3_pin import PinObject

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectRequestTypeDef

__all__ = ["ChecksumMode", "S3Driver"]
_EXISTS = frozenset({409, 412})  # the condition does not hold, or another conditional write is under way
GLANCED = 16  # objects that one page of a listing has to show to be cheaper than looking at each


class S3Driver:
    """Objects are S3 objects in *bucket*, their keys below *prefix*. Making one opens no connection."""

    def __init__(
        self,
        bucket: str,
        prefix: str = "",
        *,
        endpoint_url: str | None = None,
        region: str | None = None,
        public_endpoint_url: str | None = None,
        path_style: bool = False,
        checksum_mode: ChecksumMode = "when_required",
    ) -> None:
        self.bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._clients = Clients(
            endpoint_url=endpoint_url,
            public_endpoint_url=public_endpoint_url,
            region=region,
            path_style=path_style,
            checksum_mode=checksum_mode,
        )
        self._parts = S3Parts(self._clients, bucket, self._prefix, lambda: self.verifies_on_arrival)
        self._pin = PinObject(self._clients, bucket, self._prefix + PIN)
        self._probing = threading.Lock()
        self._verifies: bool | None = None

    @property
    def verifies_on_arrival(self) -> bool:
        """Return whether this server refuses wrong bytes; tested once in a process."""
        with self._probing:
            if self._verifies is None:
                self._verifies = self._refuses_wrong_bytes()
            return self._verifies

    def sign_put(self, key: str, *, sha256: str, size: int, expires_at: datetime) -> Target:
        """Presign a PUT of exactly these bytes to a key that is free: all of it is under the signature."""
        return self._sign_put(self._clients.signer, key, sha256=sha256, size=size, expires_at=expires_at)

    def _sign_put(self, signer: S3Client, key: str, *, sha256: str, size: int, expires_at: datetime) -> Target:
        known = checksum(sha256)
        with naming_errors():
            url = signer.generate_presigned_url(
                "put_object",
                Params={
                    **self._address(key),
                    "ChecksumSHA256": known,
                    "ContentLength": size,
                    "ContentType": OCTET_STREAM,
                    # A presigned URL can be used again: the second PUT must not replace bytes that were verified.
                    "IfNoneMatch": "*",
                },
                ExpiresIn=seconds_until(expires_at),
            )
        headers = {"Content-Type": OCTET_STREAM, "If-None-Match": "*", "x-amz-checksum-sha256": known}
        return Target("PUT", url, headers, expires_at)

    def sign_get(
        self, key: str, *, filename: str, media_type: str | None = None, expires_at: datetime, holder: str = ""
    ) -> str:
        """Presign a download."""
        with naming_errors():
            return self._clients.signer.generate_presigned_url(
                "get_object",
                Params={
                    **self._address(key),
                    "ResponseContentDisposition": attachment(filename),
                    "ResponseContentType": media_type or OCTET_STREAM,
                },
                ExpiresIn=seconds_until(expires_at),
            )

    def stat(self, key: str) -> Stat | None:
        """Look at an object; None when there is none."""
        try:
            with naming_errors():
                response = self._clients.client.head_object(Bucket=self.bucket, Key=self._prefix + key)
        except Missing:
            return None
        except Denied:
            if self._is_absent(key):
                return None
            raise
        return Stat(response["ContentLength"], response["ETag"].strip('"'))

    def glance(self, keys: Sequence[str]) -> Mapping[str, Stat]:
        """Return those of the objects that a listing shows, as long as each page of it shows several."""
        stats: dict[str, Stat] = {}
        left = sorted(keys)
        while len(left) >= GLANCED:
            try:
                with naming_errors():
                    # StartAfter is exclusive: without its last character, the listing includes the first key.
                    page = self._clients.client.list_objects_v2(
                        Bucket=self.bucket, Prefix=self._prefix + BLOBS, StartAfter=self._prefix + left[0][:-1]
                    )
            except Denied:
                break
            listed = {item["Key"].removeprefix(self._prefix): item for item in page.get("Contents", [])}
            last = max(listed, default="") if page.get("IsTruncated") else None
            beyond = [] if last is None else [key for key in left if key > last]
            for key in left[: len(left) - len(beyond)]:
                if key in listed:
                    stats[key] = Stat(listed[key]["Size"], listed[key]["ETag"].strip('"'))
            if len(left) - len(beyond) < GLANCED:
                break
            left = beyond
        return stats

    def read(self, key: str) -> Iterator[bytes]:
        """Stream an object in chunks. Raises Missing."""
        body = self._open(key)
        with naming_errors(), body:
            yield from body.iter_chunks(CHUNK)

    def read_part(self, key: str, offset: int, length: int) -> bytes:
        """Return some bytes of an object. Raises Missing."""
        body = self._open(key, f"bytes={offset}-{offset + length - 1}")
        with naming_errors(), body:
            return body.read()

    def _open(self, key: str, span: str = "") -> StreamingBody:
        """Request an object, or the bytes of a range. Raises Missing."""
        request: GetObjectRequestTypeDef = {"Bucket": self.bucket, "Key": self._prefix + key}
        if span:
            request["Range"] = span
        try:
            with naming_errors():
                return self._clients.client.get_object(**request)["Body"]
        except Denied as denied:
            if self._is_absent(key):
                raise Missing(f"there is no object {key}") from denied
            raise

    def delete(self, key: str) -> None:
        """Delete the object if it exists."""
        with suppress(Missing), naming_errors():
            self._clients.client.delete_object(Bucket=self.bucket, Key=self._prefix + key)

    def write(self, key: str, chunks: Iterable[bytes], *, size: int) -> None:
        """Store an object that the registry made, in constant memory; after an error there is none."""
        self._parts.write(key, chunks, size=size)

    def begin_parts(self, key: str, *, size: int, part_size: int) -> str:
        """Begin a multipart upload. The server does not get its size, so it joins whatever has arrived by then."""
        return self._parts.begin(key)

    def sign_part(self, key: str, handle: str, number: int, *, sha256: str, size: int, expires_at: datetime) -> Target:
        """Presign a PUT of exactly these bytes as one part."""
        return self._parts.sign(key, handle, number, sha256=sha256, size=size, expires_at=expires_at)

    def parts(self, key: str, handle: str) -> list[Part]:
        """Return the parts that have arrived, by number. Raises Missing; some servers still list joined uploads."""
        return self._parts.finished(key, handle)

    def join_parts(self, key: str, handle: str) -> None:
        """Make the parts one object. Raises Missing when there is no such upload, Conflict when it has no part."""
        self._parts.join(key, handle)

    def abort_parts(self, key: str, handle: str) -> None:
        """Delete the upload and its parts if it exists."""
        self._parts.abort(key, handle)

    def begin_gathering(self, key: str) -> str:
        """Begin a multipart upload without checksums: MLflow's clients send none with the parts."""
        return self._parts.begin(key, checked=False)

    def sign_any_part(self, key: str, handle: str, number: int, *, expires_at: datetime) -> Target:
        """Presign a PUT of any bytes as one part."""
        return self._parts.sign_any(key, handle, number, expires_at=expires_at)

    def join_named(self, key: str, handle: str, etags: Mapping[int, str]) -> None:
        """Make the parts that have these ETags one object. Raises Missing, Conflict."""
        self._parts.join_named(key, handle, etags)

    def objects(self) -> Iterator[ListedObject]:
        """Walk all objects where ours lie, a page of the listing at a time."""
        pages = self._clients.client.get_paginator("list_objects_v2")
        with naming_errors():
            for place in PLACES:
                for page in pages.paginate(Bucket=self.bucket, Prefix=self._prefix + place):
                    for entry in page.get("Contents", []):
                        yield ListedObject(
                            entry["Key"].removeprefix(self._prefix), entry["Size"], entry["LastModified"]
                        )

    def unfinished(self) -> Iterator[Unfinished]:
        """Walk the multipart uploads where objects of ours lie."""
        return chain.from_iterable(self._parts.unfinished(place) for place in PLACES)

    def read_identity(self, *, max_bytes: int) -> bytes | None:
        """Return the object that names the registry; None when there is none.

        None also for one that may not be read, where listing is refused as well: S3 answers the same for both.
        """
        try:
            return self._identity(max_bytes)
        except Missing:
            self.check()  # a bucket that does not exist is no bucket without an identity
            return None
        except Denied:
            if self._is_listed(IDENTITY):
                raise
            return None

    def write_identity(self, content: bytes, *, replace: bool) -> None:
        """Write that object; without *replace* only if it does not exist, where the server supports conditions."""
        put = partial(
            self._clients.client.put_object,
            Bucket=self.bucket, Key=self._prefix + IDENTITY, Body=content, ContentType="application/json",
        )  # fmt: skip
        with naming_errors():
            if replace:
                put()
                return
            try:
                # Two registries may claim a free store at the same time: only one of them may succeed.
                put(IfNoneMatch="*")
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] not in _EXISTS:
                    raise

    def read_pin(self, *, max_bytes: int) -> tuple[bytes, str] | None:
        """Return the object that pins the audit log, and its ETag; None when there is none."""
        try:
            return self._pin.read(max_bytes)
        except Missing:
            self.check()
            return None
        except Denied:
            if self._is_absent(PIN):
                return None
            raise

    def write_pin(self, content: bytes, *, tag: str | None) -> bool:
        """Write that object if it has *tag*, where the server supports conditions; return whether it was written."""
        return self._pin.write(content, tag)

    def check(self) -> None:
        """Raise StoreError when the bucket does not exist, is not ours or cannot be reached."""
        place = f"bucket {self.bucket} at {self._clients.endpoint}"
        try:
            with naming_errors():
                self._clients.client.head_bucket(Bucket=self.bucket)
        except Missing as error:
            raise StoreError(
                f"there is no {place}: make it, or correct REGISTRY_STORAGE_URL; a proxy, or another server, may answer"
            ) from error
        except Denied:  # HeadBucket takes s3:ListBucket without any condition on prefixes
            self._check_objects(place)
        except StoreError as error:
            raise type(error)(f"{place}: {error}") from error

    def _check_objects(self, place: str) -> None:
        """Raise StoreError where the credentials can neither list nor read below the prefix."""
        try:
            if self._is_listed(IDENTITY) is None:
                self._identity(1)
        except Denied as denied:
            text = f"neither s3:ListBucket nor s3:GetObject on {self._prefix}{IDENTITY} is granted"
            raise Denied(f"{place}: {text}, a proxy refuses, or the store is not claimed yet") from denied
        except StoreError as error:
            raise type(error)(f"{place}: {error}") from error

    def _identity(self, max_bytes: int) -> bytes:
        with naming_errors():
            body = self._clients.client.get_object(Bucket=self.bucket, Key=self._prefix + IDENTITY)["Body"]
            with body:
                return body.read(max_bytes)

    def _is_absent(self, key: str) -> bool:
        """Return whether a 403 for *key* means that there is no such object.

        A permitted listing decides. Where it is refused, S3 answers 403 for absent objects; a 403 counts as such only
        while the identity, an object below the same prefix, can be read. Raises StoreError, as for a refused signature.
        """
        listed = self._is_listed(key)
        if listed is not None:
            return not listed
        try:
            self._identity(1)
        except (Denied, Missing):
            return False
        return True

    def _is_listed(self, key: str) -> bool | None:
        """Return whether a listing shows *key*; None where listing is refused."""
        place = self._prefix + key
        try:
            with naming_errors():
                page = self._clients.client.list_objects_v2(Bucket=self.bucket, Prefix=place, MaxKeys=1)
        except Denied:
            return None
        return any(item["Key"] == place for item in page.get("Contents", []))

    def close(self) -> None:
        """Close the connections. The driver stays usable, and opens new ones."""
        self._clients.close()

    def _address(self, key: str) -> dict[str, str]:
        return {"Bucket": self.bucket, "Key": self._prefix + key}

    def _refuses_wrong_bytes(self) -> bool:
        """Try what an uploader could try, on temporary objects.

        A refusal proves something only if right bytes are taken, so a store that takes nothing below ``probe/`` has
        proved nothing, which is safe: uploads are then read back. Raises StoreError when no answer comes.
        """
        return (
            self._takes(b"right", announced=b"right")
            and not self._takes(b"wrong", announced=b"right")
            # An uploader may leave the header out. A server that accepts that has verified nothing.
            and not self._takes(b"wrong", announced=b"right", without="x-amz-checksum-sha256")
        )

    def _takes(self, body: bytes, *, announced: bytes, without: str | None = None) -> bool:
        key = f"probe/{uuid.uuid4().hex}"
        expires_at = datetime.now(UTC) + timedelta(minutes=1)
        digest = hashlib.sha256(announced).hexdigest()
        target = self._sign_put(self._clients.client, key, sha256=digest, size=len(body), expires_at=expires_at)
        headers = {name: value for name, value in target.headers.items() if name != without}
        status = self._clients.send(target, headers, body)
        if status == 429 or status >= 500:
            raise StoreError(f"the store answered {status} when it was asked whether it verifies checksums")
        if status < 300:
            with suppress(StoreError):  # a role that may not delete leaves five bytes behind
                self.delete(key)
        return status < 300
