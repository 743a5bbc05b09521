"""A guard around every operation on a store: it names errors, logs slow calls and respects the owner."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from registry.domain.errors import Conflict, ForeignStore, StoreDenied, Unavailable
from registry.rules.disk_space import shortage
from registry.storage.circuit_breaker import Breaker
from registry.storage.driver import Denied, Down, Full, Missing, StoreError, unavailable

log = structlog.get_logger(__name__)

_SLOW_SECONDS = 1.0
_FOREIGN_SECONDS = 60.0  # for which a store that was found to be another registry's is not written to


@dataclass(frozen=True, slots=True)
class StoreStanding:
    """The last known owner of the store; *known_at* is of the monotonic clock.

    *own* means this registry, *foreign* is why it is another one; neither is set for a store without an owner.
    """

    known_at: float = -math.inf
    own: bool = False
    foreign: str | None = None

    def age(self) -> float:
        """Return for how many seconds this has been known."""
        return time.monotonic() - self.known_at


class Guard:
    """The circuit breaker of a store and the last known owner of it."""

    def __init__(self) -> None:
        self.standing = StoreStanding()
        self._breaker = Breaker()

    def refuse_foreign(self) -> None:
        """Raise ForeignStore where the store was found to be another registry's."""
        if self.standing.foreign and self.standing.age() < _FOREIGN_SECONDS:
            raise ForeignStore(self.standing.foreign, retry_after=5)

    def gave_no_answer(self) -> None:
        """Count an operation that was given up as a failure of the store."""
        self._breaker.failed(time.monotonic())

    @contextmanager
    def operation(
        self, name: str, key: str | None = None, *, asks: bool = True, changes: bool = False
    ) -> Iterator[None]:
        """Name the errors of one operation, and log it when it is slow; pause for a store that keeps failing.

        An operation that *asks* has an answer of the store when it ends without an error. One that *changes* something
        is refused in another registry's store.
        """
        if changes:
            self.refuse_foreign()
        start = time.perf_counter()
        if wait := self._breaker.wait(time.monotonic(), tries=asks):
            log.warning("store.left_alone", operation=name, key=key, seconds=round(wait, 3))
            raise unavailable(math.ceil(wait))
        with self.naming_errors(name, key):
            yield
        if asks:
            self._breaker.succeeded()
        seconds = time.perf_counter() - start
        if seconds > _SLOW_SECONDS:
            log.warning("store.slow", operation=name, key=key, seconds=round(seconds, 3))

    @contextmanager
    def naming_errors(self, operation: str, key: str | None) -> Iterator[None]:
        """Turn a driver's failure into Unavailable or StoreDenied; Missing and the domain's own errors pass."""
        try:
            yield
        except (Missing, Conflict):  # an answer, too
            self._breaker.succeeded()
            raise
        except Denied as error:
            log.warning("store.denied", operation=operation, key=key, error=str(error))
            self._breaker.succeeded()
            raise StoreDenied(f"the artifact store refuses this: {error}", retry_after=30) from error
        except (Full, OSError) as error:
            # A local failure, or an answer: the circuit breaker counts only a store that does not answer.
            full = error if isinstance(error, Full) else _full_temporary_directory(error)
            log.warning(
                "store.failed", operation=operation, key=key, error=str(full or error), kind=type(error).__name__
            )
            self._breaker.succeeded()
            if full is None:
                raise unavailable() from error
            raise Unavailable(
                f"the artifact store has no room ({full.shortage}); send the same request again when it has",
                retry_after=5,
            ) from error
        except StoreError as error:
            log.warning("store.failed", operation=operation, key=key, error=str(error), kind=type(error).__name__)
            if isinstance(error, Down):
                self._breaker.failed(time.monotonic())
            else:
                self._breaker.succeeded()
            raise unavailable() from error


def _full_temporary_directory(error: OSError) -> Full | None:
    """Return the error of a full disk of temporary files; None for errors of another kind.

    The local driver raises Full for its own directory.
    """
    directory = Path(tempfile.gettempdir())
    text = shortage(error, directory)
    return Full(directory, text) if text else None
