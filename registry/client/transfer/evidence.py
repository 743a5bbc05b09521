"""An evidence archive as one file, which appears when it has arrived whole."""

from __future__ import annotations

import re
from pathlib import Path
from typing import IO

import requests

from registry.client import errors
from registry.client.http import network
from registry.client.http.transport import Query, Transport, path
from registry.client.progress import Meter, Progress
from registry.client.transfer import download_request
from registry.rules.audit_log.archive import ArchiveError, require_canonical


def download(transport: Transport, model: str, target: Path, *, query: Query, progress: Progress | None) -> int:
    """Write the archive to *target*, replacing a file there; return its size in bytes.

    Raises IntegrityError when what arrived is no such archive, Unavailable when it breaks off, or OSError. Whether the
    log has its entries is for a verifier with the log's key.
    """
    partial = target.with_name(f"{target.name}.part")
    request_headers = {"Accept": "application/zip, application/problem+json", "Accept-Encoding": "identity"}
    try:
        where = path("models", model, "evidence")
        with (
            transport.stream(where, query=query, headers=request_headers) as response,
            partial.open("wb") as file,
        ):
            size = _receive(response, file, progress)
        require_canonical(partial)
        partial.replace(target)
    except ArchiveError as error:
        raise errors.IntegrityError(f"what arrived is no evidence archive: {error}") from error
    finally:
        partial.unlink(missing_ok=True)
    return size


def _receive(response: requests.Response, file: IO[bytes], progress: Progress | None) -> int:
    announced = response.headers.get("Content-Length", "")
    size = int(announced) if re.fullmatch("[0-9]{1,18}", announced, re.ASCII) else 0
    meter, written = Meter("download", size, progress), 0
    try:
        for chunk in response.iter_content(download_request.CHUNK):
            written += file.write(chunk)
            meter.advance(len(chunk))
    except requests.RequestException as error:
        raise network.unreachable(response.url, error) from error
    if written != size:
        raise errors.Unavailable(f"the archive broke off after {written} of {size} bytes.")
    return written
