"""The retry policy of the client: which failures are repeated, how often, and after which pauses.

API requests, uploads and downloads share it. Whatever makes the error for a failure that may pass marks it with a
``Transient``; ``RetryPolicy.run`` repeats an attempt that raises a marked error.

======== ============================================================= =================================================
kind     failure                                                       repeated
======== ============================================================= =================================================
outage   no connection, a connection that breaks, 502, 503;            for ``outage_seconds`` after the first one, and
         5xx from a store, except 501, 505 and 507                     ``outage_retries`` times in any case
busy     no response in time, 408, 425, 429, 504                       ``retries`` times
expired  a signed URL that is refused                                  at once with another URL, never twice in a row
======== ============================================================= =================================================

Not repeated: any other status, ``X-Should-Retry: false``, a limit on requests (429) that lasts longer than
LONGEST_PAUSE, and a certificate that is not trusted. The method does not matter: reads are safe, and every write
carries an Idempotency-Key.
"""

from __future__ import annotations

import math
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import requests
from urllib3.exceptions import InvalidHeader
from urllib3.util.retry import Retry

from registry.client.detect import ci
from registry.client.errors import RegistryError, Transience, Transient

VARIABLE = "REGISTRY_RETRY_SECONDS"
IN_CI, ELSEWHERE = 60.0, 10.0
LONGEST_PAUSE = 30.0  # the longest Retry-After that is followed
FIRST_BACKOFF, LONGEST_BACKOFF = 0.3, 15.0

# What a restart looks like: the server itself answers 503 until it is ready, a proxy in front of it 502.
_OUTAGE = frozenset({502, 503})
_BUSY = frozenset({408, 425, 429, 504})
_LASTING = frozenset({501, 505, 507})  # what a store cannot do now, it cannot do in a minute

Result = TypeVar("Result")
Announce = Callable[[str], None]


def seconds(environ: Mapping[str, str]) -> float:
    """Return for how long an outage of the registry is waited out. Raises ValueError for a value that is no number."""
    text = environ.get(VARIABLE, "").strip()
    if not text:
        return IN_CI if ci.unattended(environ) else ELSEWHERE
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        raise ValueError(f"{VARIABLE} is {text!r}; it must be a number of seconds, 0 for no waiting.")
    return number


def kind_of(status: int, *, from_store: bool = False) -> Transience | None:
    """Return how a refusal with this status may pass; None when it will not."""
    if status in _BUSY:
        return Transience.BUSY
    if status in _OUTAGE or (from_store and status >= 500 and status not in _LASTING):
        return Transience.OUTAGE
    return None


def mark(error: RegistryError, response: requests.Response, kind: Transience | None) -> None:
    """Mark the error for a refusal that passes as *kind*, unless its headers exclude a retry."""
    status, retry_after = response.status_code, _retry_after(response)
    is_final = response.headers.get("X-Should-Retry") == "false"
    if kind is not None and not is_final and not (status == 429 and (retry_after or 0) > LONGEST_PAUSE):
        error.transient = Transient(kind, f"answered {status}", retry_after)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Limits on retries of one request; see the module. By default none, but for an expired URL."""

    retries: int = 0
    outage_retries: int = 0
    outage_seconds: float = 0.0

    @classmethod
    def for_transfers(cls, retries: int, outage_seconds: float) -> RetryPolicy:
        """Return the policy for requests that move bytes: twice as patient, as a store refuses more of them."""
        doubled = max(0, 2 * retries - 1)
        return cls(doubled, doubled, outage_seconds)

    def run(
        self,
        attempt: Callable[[], Result],
        *,
        pause: Callable[[float], None] = time.sleep,
        announce: Announce | None = None,
    ) -> Result:
        """Call *attempt* until it returns, or raises an error that is not marked or was repeated often enough.

        The error that is raised is not marked any more, so that no enclosing ``run`` repeats it again. *pause* waits
        between two attempts, and may raise. *announce* is called with a description of each failure of an outage,
        except a first broken connection: a server may close an idle one at any time.
        """
        attempts = Attempts(self)
        while True:
            try:
                return attempt()
            except RegistryError as error:
                failure, error.transient = error.transient, None
                if failure is None or (wait := attempts.pause_after(failure)) is None:
                    raise
            if announce and failure.kind is Transience.OUTAGE and (failure.is_answer or attempts.failures > 1):
                announce(failure.description)
            pause(wait)


class Attempts:
    """The failures of one request so far. *clock* gives seconds."""

    def __init__(self, policy: RetryPolicy, clock: Callable[[], float] = time.monotonic) -> None:
        self._policy, self._clock = policy, clock
        self._counts: Counter[Transience] = Counter()
        self._previous: Transience | None = None
        self._outage_began: float | None = None

    @property
    def failures(self) -> int:
        return self._counts.total()

    def pause_after(self, failure: Transient) -> float | None:
        """Count a failure. Return the seconds to wait before the next attempt, or None when there is to be none."""
        previous, self._previous = self._previous, failure.kind
        self._counts[failure.kind] += 1
        count = self._counts[failure.kind]
        if failure.kind is Transience.EXPIRED:
            return None if previous is Transience.EXPIRED else 0
        if failure.kind is Transience.BUSY:
            return None if count > self._policy.retries else self._backoff(failure)
        now = self._clock()
        self._outage_began = now if self._outage_began is None else self._outage_began
        if count <= self._policy.outage_retries:
            return self._backoff(failure)
        left = self._outage_began + self._policy.outage_seconds - now
        return None if left <= 0 else min(self._backoff(failure), left)  # the last attempt is at the end of the wait

    def _backoff(self, failure: Transient) -> float:
        """Return the pause: doubled after each failure, with jitter, or the server's Retry-After."""
        if self.failures == 1 and not failure.is_answer:
            return 0
        longest = min(FIRST_BACKOFF * 2.0 ** min(self.failures - 1, 8), LONGEST_BACKOFF)
        jittered = longest * random.uniform(0.5, 1)  # noqa: S311 -- no secret
        return max(jittered, min(failure.retry_after or 0, LONGEST_PAUSE))


def _retry_after(response: requests.Response) -> float | None:
    """Return the seconds in the response's Retry-After; None without one that can be read."""
    text = response.headers.get("Retry-After")
    try:
        return None if text is None else Retry().parse_retry_after(text)
    except (InvalidHeader, ValueError):  # a number of 5,000 digits, the year 99999
        return None
