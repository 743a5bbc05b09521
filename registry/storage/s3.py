"""The store in a bucket of any S3-compatible server; the only module that imports boto3.

Credentials come from where boto3 finds them: environment, profile, container or instance role. The role needs
s3:ListBucket beside reading and writing objects: without it S3 answers 403, not 404, for what is absent.
"""

from __future__ import annotations

import hashlib
import threading
import uuid
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

import boto3
import botocore.session
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.httpsession import URLLib3Session
from botocore.utils import get_environ_proxies

from registry.storage.driver import CHUNK, OCTET_STREAM, Missing, Stat, StoreError, Target, attachment

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ChecksumMode = Literal["when_required", "when_supported"]

_CONNECT_SECONDS, _READ_SECONDS, _ATTEMPTS = 2, 15, 3
_CONNECTIONS = 64
_LONGEST_SECONDS = 7 * 24 * 3600  # the most that signature version 4 allows
_ABSENT_CODES = frozenset({"404", "NoSuchKey", "NotFound"})


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
        self._endpoint_url = endpoint_url
        self._public_endpoint_url = public_endpoint_url or endpoint_url
        self._region = region
        self._config = _config(path_style, checksum_mode)
        self._session = botocore.session.get_session()
        self._making = threading.Lock()
        self._made: dict[str | None, S3Client] = {}
        self._probing = threading.Lock()
        self._verifies: bool | None = None

    @property
    def verifies_on_arrival(self) -> bool:
        """Whether this server was seen to refuse wrong bytes; found out once in a process, by trying."""
        with self._probing:
            if self._verifies is None:
                self._verifies = self._refuses_wrong_bytes()
            return self._verifies

    def sign_put(self, key: str, *, sha256: str, size: int, expires_at: datetime) -> Target:
        """Presign a PUT of exactly these bytes to a key that is free: all of it is under the signature."""
        return self._sign_put(self._signer, key, sha256=sha256, size=size, expires_at=expires_at)

    def _sign_put(self, signer: S3Client, key: str, *, sha256: str, size: int, expires_at: datetime) -> Target:
        checksum = b64encode(bytes.fromhex(sha256)).decode("ascii")
        with _naming_errors():
            url = signer.generate_presigned_url(
                "put_object",
                Params={
                    **self._address(key),
                    "ChecksumSHA256": checksum,
                    "ContentLength": size,
                    "ContentType": OCTET_STREAM,
                    "IfNoneMatch": "*",
                },
                ExpiresIn=_seconds_until(expires_at),
            )
        headers = {"Content-Type": OCTET_STREAM, "If-None-Match": "*", "x-amz-checksum-sha256": checksum}
        return Target("PUT", url, headers, expires_at)

    def sign_get(self, key: str, *, filename: str, media_type: str | None = None, expires_at: datetime) -> str:
        """Presign a download."""
        with _naming_errors():
            return self._signer.generate_presigned_url(
                "get_object",
                Params={
                    **self._address(key),
                    "ResponseContentDisposition": attachment(filename),
                    "ResponseContentType": media_type or OCTET_STREAM,
                },
                ExpiresIn=_seconds_until(expires_at),
            )

    def stat(self, key: str) -> Stat | None:
        """Look at an object; None when there is none."""
        try:
            with _naming_errors():
                return Stat(self._client.head_object(Bucket=self.bucket, Key=self._prefix + key)["ContentLength"])
        except Missing:
            return None

    def read(self, key: str) -> Iterator[bytes]:
        """Stream an object in chunks. Raises Missing."""
        with _naming_errors():
            body = self._client.get_object(Bucket=self.bucket, Key=self._prefix + key)["Body"]
            with body:
                yield from body.iter_chunks(CHUNK)

    def delete(self, key: str) -> None:
        """See to it that there is no such object."""
        with suppress(Missing), _naming_errors():
            self._client.delete_object(Bucket=self.bucket, Key=self._prefix + key)

    def check(self) -> None:
        """Raise StoreError when the bucket does not exist, is not ours or cannot be reached."""
        try:
            with _naming_errors():
                self._client.head_bucket(Bucket=self.bucket)
        except Missing as error:
            raise StoreError(f"the bucket {self.bucket} does not exist") from error

    def close(self) -> None:
        """Close the connections. The driver stays usable, and opens new ones."""
        with self._making:
            for client in self._made.values():
                client.close()
            self._made.clear()

    @property
    def _client(self) -> S3Client:
        """The client with which this process talks to the store."""
        return self._client_of(self._endpoint_url)

    @property
    def _signer(self) -> S3Client:
        """Signs addresses as clients reach the store, which may be another way than ours; it sends nothing."""
        return self._client_of(self._public_endpoint_url)

    def _client_of(self, endpoint_url: str | None) -> S3Client:
        """One client for each endpoint, which threads may share; only making it is not thread-safe."""
        with self._making:
            if endpoint_url not in self._made:
                with _naming_errors(), _naming_settings():
                    self._made[endpoint_url] = boto3.session.Session(botocore_session=self._session).client(
                        "s3", endpoint_url=endpoint_url, region_name=self._region, config=self._config
                    )
            return self._made[endpoint_url]

    def _address(self, key: str) -> dict[str, str]:
        return {"Bucket": self.bucket, "Key": self._prefix + key}

    def _refuses_wrong_bytes(self) -> bool:
        """Try what an uploader could try, on objects of our own that are gone afterwards.

        A refusal proves something only if right bytes are taken, so a store that takes nothing below ``probe/`` has
        proved nothing, which is safe: uploads are then read back. Raises StoreError when no answer comes.
        """
        return (
            self._takes(b"right", announced=b"right")
            and not self._takes(b"wrong", announced=b"right")
            and not self._takes(b"wrong", announced=b"right", without="x-amz-checksum-sha256")
        )

    def _takes(self, body: bytes, *, announced: bytes, without: str | None = None) -> bool:
        key = f"probe/{uuid.uuid4().hex}"
        expires_at = datetime.now(UTC) + timedelta(minutes=1)
        digest = hashlib.sha256(announced).hexdigest()
        target = self._sign_put(self._client, key, sha256=digest, size=len(body), expires_at=expires_at)
        headers = {name: value for name, value in target.headers.items() if name != without}
        status = self._send(target, headers, body)
        if status == 429 or status >= 500:
            raise StoreError(f"the store answered {status} when it was asked whether it verifies checksums")
        if status < 300:
            with suppress(StoreError):  # a role that may not delete leaves five bytes behind
                self.delete(key)
        return status < 300

    def _send(self, target: Target, headers: Mapping[str, str], body: bytes) -> int:
        """Send what a client would, with the certificates and proxies that boto3 would use; return the status."""
        session = URLLib3Session(
            verify=self._session.get_config_variable("ca_bundle") or True,
            proxies=get_environ_proxies(target.url),
            timeout=(_CONNECT_SECONDS, _READ_SECONDS),  # type: ignore[arg-type]  # the stubs know one number only
        )
        request = AWSRequest(target.method, target.url, headers=dict(headers), data=body)
        try:
            with _naming_errors():
                return session.send(request.prepare()).status_code
        finally:
            session.close()


def _config(path_style: bool, checksum_mode: ChecksumMode) -> Config:
    return Config(
        signature_version="s3v4",
        s3={"addressing_style": "path" if path_style else "auto"},
        request_checksum_calculation=checksum_mode,
        response_checksum_validation=checksum_mode,
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
        max_pool_connections=_CONNECTIONS,
    )


def _seconds_until(moment: datetime) -> int:
    """Round down, so that an address never outlives *moment*; one second is the least that can be signed."""
    return min(max(int((moment - datetime.now(UTC)).total_seconds()), 1), _LONGEST_SECONDS)


@contextmanager
def _naming_settings() -> Iterator[None]:
    """Turn boto3's plain ValueError for an endpoint or region that makes no sense into StoreError."""
    try:
        yield
    except ValueError as error:
        raise StoreError(f"the S3 settings make no sense: {error}") from error


@contextmanager
def _naming_errors() -> Iterator[None]:
    """Turn what boto3 raises into StoreError, or Missing."""
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        raise (Missing if code in _ABSENT_CODES else StoreError)(str(error)) from error
    except BotoCoreError as error:
        raise StoreError(str(error)) from error
