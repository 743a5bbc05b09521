"""Clients of an S3-compatible server: connections, retries, time limits, and the names of errors."""

from __future__ import annotations

import threading
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

import boto3
import botocore.session
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnection
from botocore.httpsession import URLLib3Session
from botocore.utils import get_environ_proxies

from registry.storage.driver import Denied, Down, Missing, StoreError, Target
from registry.storage.s3_remedies import advised

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ChecksumMode = Literal["when_required", "when_supported"]

_CONNECT_SECONDS, _READ_SECONDS, _ATTEMPTS = 2, 15, 3
_CONNECTIONS = 64
_LONGEST_SECONDS = 7 * 24 * 3600  # the most that signature version 4 allows
_SERVER_ERROR = 500
_BUSY_CODES = frozenset({"SlowDown", "RequestTimeout"})
_DENIED_CODES = frozenset({"403", "AccessDenied", "Forbidden"})  # 403 is all that the answer to a HEAD has
_ABSENT_CODES = frozenset({"404", "NoSuchKey", "NoSuchUpload", "NotFound"})
# "Actions defined by Amazon S3", the service authorization reference of AWS.
_RIGHTS = {
    **dict.fromkeys(("GetObject", "HeadObject"), "s3:GetObject"),
    **dict.fromkeys(("HeadBucket", "ListObjectsV2"), "s3:ListBucket"),
    **dict.fromkeys(
        ("PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"), "s3:PutObject"
    ),
    "DeleteObject": "s3:DeleteObject",
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
    "ListParts": "s3:ListMultipartUploadParts",
    "ListMultipartUploads": "s3:ListBucketMultipartUploads",
}  # fmt: skip


class Clients:
    """One client to talk to the server, and one that only signs addresses as clients reach it. No connection yet."""

    def __init__(
        self,
        *,
        endpoint_url: str | None,
        public_endpoint_url: str | None,
        region: str | None,
        path_style: bool,
        checksum_mode: ChecksumMode,
    ) -> None:
        self._endpoint_url = endpoint_url
        self._public_endpoint_url = public_endpoint_url or endpoint_url
        self._region = region
        self._config = _config(path_style, checksum_mode)
        self._session = botocore.session.get_session()
        # One for all clients: each registers itself with the session below it, which takes that once.
        self._boto3 = boto3.session.Session(botocore_session=self._session)
        self._making = threading.Lock()
        self._made: dict[str | None, S3Client] = {}

    @property
    def endpoint(self) -> str:
        """Return the address of the server, for error texts."""
        return self._endpoint_url or "AWS"

    @property
    def client(self) -> S3Client:
        """Return the client for this process's requests to the store."""
        return self._client_of(self._endpoint_url)

    @property
    def signer(self) -> S3Client:
        """Return a client that signs URLs at the address that clients use; it sends nothing."""
        return self._client_of(self._public_endpoint_url)

    def send(self, target: Target, headers: Mapping[str, str], body: bytes) -> int:
        """Send what a client would, with the certificates and proxies that boto3 would use; return the status."""
        session = URLLib3Session(
            verify=self._session.get_config_variable("ca_bundle") or True,
            proxies=get_environ_proxies(target.url),
            timeout=(_CONNECT_SECONDS, _READ_SECONDS),  # type: ignore[arg-type]  # the stubs know one number only
        )
        request = AWSRequest(target.method, target.url, headers=dict(headers), data=body)
        try:
            with naming_errors():
                return session.send(request.prepare()).status_code
        finally:
            session.close()

    def close(self) -> None:
        """Close the connections. New ones are opened when needed."""
        with self._making:
            for client in self._made.values():
                client.close()
            self._made.clear()

    def _client_of(self, endpoint_url: str | None) -> S3Client:
        """Return one client for each endpoint, which threads may share; only its creation is not thread-safe."""
        with self._making:
            if endpoint_url not in self._made:
                with naming_errors(), _naming_settings():
                    self._made[endpoint_url] = self._boto3.client(
                        "s3", endpoint_url=endpoint_url, region_name=self._region, config=self._config
                    )
            return self._made[endpoint_url]


def seconds_until(moment: datetime) -> int:
    """Round down, so that an address never outlives *moment*; one second is the least that can be signed."""
    return min(max(int((moment - datetime.now(UTC)).total_seconds()), 1), _LONGEST_SECONDS)


def checksum(sha256: str) -> str:
    """Write 64 hex digits as S3's headers want them."""
    return b64encode(bytes.fromhex(sha256)).decode("ascii")


@contextmanager
def naming_errors() -> Iterator[None]:
    """Turn what boto3 raises into StoreError, Missing, Denied or Down."""
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code in _DENIED_CODES and (right := _RIGHTS.get(error.operation_name)):
            text = f"{error.operation_name} is refused (403): the registry's credentials need {right}"
            raise Denied(text) from error
        fails = status >= _SERVER_ERROR or code in _BUSY_CODES
        raise (Missing if code in _ABSENT_CODES else Down if fails else StoreError)(advised(error)) from error
    except (HTTPClientError, NoConnection) as error:
        raise Down(advised(error)) from error
    except BotoCoreError as error:
        raise StoreError(advised(error)) from error
    except RecursionError as error:  # botocore looks up the bucket's region recursively
        raise StoreError(
            "the server answers every request with a redirect, as a login page does: look at REGISTRY_S3_ENDPOINT_URL,"
            " REGISTRY_S3_REGION and the proxies between"
        ) from error


@contextmanager
def _naming_settings() -> Iterator[None]:
    """Turn boto3's plain ValueError for an endpoint or region that makes no sense into StoreError."""
    try:
        yield
    except ValueError as error:
        raise StoreError(f"the S3 settings make no sense: {error}") from error


def _config(path_style: bool, checksum_mode: ChecksumMode) -> Config:
    return Config(
        signature_version="s3v4",
        s3={"addressing_style": "path" if path_style else "auto"},
        # Since botocore 1.36 the default sends CRC trailers, which many S3-compatible servers refuse.
        request_checksum_calculation=checksum_mode,
        response_checksum_validation=checksum_mode,
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
        max_pool_connections=_CONNECTIONS,
    )
