"""Open the store and the import sources that the settings name."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast
from urllib.parse import SplitResult, unquote, urlsplit

from registry.domain import locations
from registry.storage.checked import Store
from registry.storage.driver import Driver
from registry.storage.https_source import HttpsSource
from registry.storage.local import LocalDriver
from registry.storage.sources import Source, Sources

if TYPE_CHECKING:
    from registry.storage.s3 import ChecksumMode


class StorageSettings(Protocol):
    """Settings of the store."""

    @property
    def storage_url(self) -> str:
        """``file:///absolute/path`` or ``s3://bucket/prefix``."""

    @property
    def secret_keys(self) -> Sequence[str]:
        """The first signs the addresses of the local store, all are accepted."""

    @property
    def s3_endpoint_url(self) -> str | None:
        """None for AWS."""

    @property
    def s3_public_endpoint_url(self) -> str | None:
        """Return the endpoint of the store for clients, if it differs from the service's."""

    @property
    def s3_region(self) -> str | None:
        """None for what boto3 is configured with."""

    @property
    def s3_path_style(self) -> bool:
        """True if the bucket is part of the path, as most servers except AWS require."""

    @property
    def inline_verify_bytes(self) -> int:
        """Return the number of bytes that may be read back while a client waits."""

    @property
    def s3_checksum_mode(self) -> str:
        """``when_required`` or ``when_supported``."""


class SourceSettings(Protocol):
    """Settings of the sources of imports."""

    @property
    def import_sources(self) -> Sequence[str]:
        """The locations at or below which bytes may be fetched."""

    @property
    def max_upload_bytes(self) -> int:
        """The most bytes that one file may have."""

    @property
    def s3_endpoint_url(self) -> str | None:
        """None for AWS."""

    @property
    def s3_region(self) -> str | None:
        """None for what boto3 is configured with."""

    @property
    def s3_path_style(self) -> bool:
        """True if the bucket is part of the path."""

    @property
    def s3_checksum_mode(self) -> str:
        """``when_required`` or ``when_supported``."""


def open_store(settings: StorageSettings) -> Store:
    """Open the store of ``settings.storage_url``; connects at its first use.

    A local directory is created if possible; else ``check`` raises the reason. Raises ValueError for an invalid URL or
    mode, ModuleNotFoundError when boto3 is needed and not installed.
    """
    url = urlsplit(settings.storage_url)
    match url.scheme:
        case "file":
            return Store(_local(url, settings), read_at_once=settings.inline_verify_bytes)
        case "s3":
            return Store(_s3(url, settings), read_at_once=settings.inline_verify_bytes)
    raise ValueError(f"the storage URL starts with file:/// or s3://, not {url.scheme!r}")


def open_sources(settings: SourceSettings) -> Sources:
    """Return the sources that the settings allow; nothing is connected to before its first use.

    Raises ModuleNotFoundError when boto3 is needed and not installed.
    """
    within = [locations.parse(text) for text in settings.import_sources]

    @cache
    def open_source(scheme: str) -> Source:
        return HttpsSource() if scheme == "https" else _s3_source(settings)

    for location in within:
        open_source(location.scheme)
    return Sources(within, open_source, most=settings.max_upload_bytes)


def _local(url: SplitResult, settings: StorageSettings) -> Driver:
    root = Path(unquote(url.path))
    if url.netloc or not url.path.startswith("/"):
        raise ValueError("a local storage URL has three slashes and an absolute path: file:///srv/registry")
    with suppress(OSError):
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
    secret, *previous = settings.secret_keys
    return LocalDriver(root, secret, previous=previous)


def _s3(url: SplitResult, settings: StorageSettings) -> Driver:
    if not url.netloc:
        raise ValueError("an S3 storage URL names a bucket: s3://bucket/prefix")
    mode = settings.s3_checksum_mode
    if mode not in {"when_required", "when_supported"}:
        raise ValueError(f"the S3 checksum mode is when_required or when_supported, not {mode!r}")
    try:
        from registry.storage.s3 import S3Driver
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("s3:// storage needs boto3: in a checkout, pip install '.[s3]'") from error
    return S3Driver(
        url.netloc,
        url.path,
        endpoint_url=settings.s3_endpoint_url,
        public_endpoint_url=settings.s3_public_endpoint_url,
        region=settings.s3_region,
        path_style=settings.s3_path_style,
        checksum_mode=cast("ChecksumMode", mode),
    )


def _s3_source(settings: SourceSettings) -> Source:
    try:
        from registry.storage.s3_source import open_s3_source
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("s3:// sources need boto3: in a checkout, pip install '.[s3]'") from error
    return open_s3_source(
        endpoint_url=settings.s3_endpoint_url,
        region=settings.s3_region,
        path_style=settings.s3_path_style,
        checksum_mode=cast("ChecksumMode", settings.s3_checksum_mode),
    )
