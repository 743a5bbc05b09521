"""The end of the caller's token, which the registry adds to its responses when it is near."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from datetime import UTC, datetime

HEADER = "X-Token-Expires-At"
log = logging.getLogger("registry.client.expiry")


class Expiry:
    """The end of the token, from responses; the first warning is logged. Threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.at: datetime | None = None

    def note(self, headers: Mapping[str, str]) -> None:
        """Read the headers of a response; a value that is no time with a zone is ignored."""
        text = headers.get(HEADER)
        if text is None:
            return
        try:
            at = datetime.fromisoformat(text).astimezone(UTC)
        except (ValueError, OverflowError):
            return
        with self._lock:
            is_first, self.at = self.at is None, at
        if is_first:
            log.warning(
                "the API token ends at %s UTC; replace it before (an admin: registry token create OWNER --role ROLE)",
                at.strftime("%Y-%m-%d %H:%M"),
            )
