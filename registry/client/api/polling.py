"""Wait for what the registry does on its own: verification and imports."""

from __future__ import annotations

import time
from collections.abc import Iterator

from registry.client import errors
from registry.client.http.transport import Transport, path, read
from registry.client.types import VersionView

SHORTEST, LONGEST = 0.5, 5.0


def pauses() -> Iterator[float]:
    """Yield the seconds between two polls: half a second at first, at most five."""
    seconds = SHORTEST
    while True:
        yield seconds
        seconds = min(seconds * 1.5, LONGEST)


def verified(transport: Transport, version: VersionView) -> VersionView:
    """Return the version when its bytes are verified.

    Raises IntegrityError, with the reason, when they are not the registered ones.
    """
    where = path("models", version["model"], "versions", version["number"])
    etag, seconds = "", pauses()
    while version["state"] == "pending":
        with transport.send("GET", where, headers={"If-None-Match": etag} if etag else {}) as response:
            if response.status_code != 304:
                version, etag = read(VersionView, response), response.headers.get("ETag", "")
        if version["state"] == "pending":
            time.sleep(next(seconds))
    if version["state"] == "failed":
        reason = version["state_reason"] or "it gives no reason."
        raise errors.IntegrityError(
            f"{version['model']}:{version['number']} failed verification: {reason}", extras={"version": version}
        )
    return version
