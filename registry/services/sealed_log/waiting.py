"""Wait until an entry is sealed, for a request that asked for it. It holds no connection and no transaction then."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog
from sqlalchemy import exc

from registry.domain.errors import RegistryError
from registry.services.sealed_log.log_reading import SealStatus, seal_status

log = structlog.get_logger(__name__)
SHORTEST, LONGEST = 0.05, 0.25  # seconds between two looks


def wait_until_sealed(uid: str, *, seconds: float, is_over: Callable[[], bool]) -> SealStatus | None:
    """Return the status of a committed entry once it is sealed, or what is known of it after so many *seconds*.

    Ends early when *is_over* returns True. None where the database does not answer, which changes no commit.
    """
    end, pause = time.monotonic() + seconds, SHORTEST
    try:
        while True:
            found = seal_status(uid)
            left = end - time.monotonic()
            if found.is_sealed or left <= 0 or is_over():
                return found
            time.sleep(min(pause, left))
            pause = min(2 * pause, LONGEST)
    except (RegistryError, exc.DBAPIError) as error:
        log.warning("seal_unknown", entry=uid, error=str(error))
        return None
