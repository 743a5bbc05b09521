"""Retries: which failures are transient, and for how long a request is repeated."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any, Self

from urllib3 import exceptions as urllib3
from urllib3.response import BaseHTTPResponse
from urllib3.util.retry import Retry

from registry.client.detect import ci
from registry.client.http import network

VARIABLE = "REGISTRY_RETRY_SECONDS"
IN_CI, ELSEWHERE = 60.0, 10.0
LONGEST_WAIT = 30.0

# What a restart looks like: the server itself answers 503 until it is ready, a proxy in front of it 502.
_RESTARTING = frozenset({502, 503})
_LATER = frozenset({408, 429, 504})

Announce = Callable[[str], None]


def seconds(environ: Mapping[str, str]) -> float:
    """Return how long requests wait for a registry that is restarted; raises ValueError for a value that is none."""
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


class Backoff(Retry):
    """Retry what may succeed later; never wait longer than LONGEST_WAIT, whatever Retry-After says.

    A connection that fails, 502 and 503 are retried for ``seconds`` after the first failure, and at once when that is
    0; ``announce`` gets one sentence about each such failure. Timeouts while the server works, 408, 429 and 504 are
    retried ``attempts`` times. A limit on requests (429) that lasts longer than LONGEST_WAIT is reported at once, and
    so is a response with ``X-Should-Retry: false``: the caller has to decide.
    """

    attempts: int = 0
    seconds: float = 0.0
    announce: Announce | None = None
    _since: float | None = None
    _slept: float = 0.0

    def new(self, **changes: Any) -> Self:
        copy = super().new(**changes)
        copy.attempts, copy.seconds, copy.announce = self.attempts, self.seconds, self.announce
        copy._since, copy._slept = self._since, self._slept
        return copy

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: BaseHTTPResponse | None = None,
        error: Exception | None = None,
        _pool: Any = None,
        _stacktrace: Any = None,
    ) -> Self:
        if self._is_final(response):
            raise urllib3.MaxRetryError(_pool, url or "")  # urllib3 returns the response then
        waits = self._is_restarting(response, error)
        if self._left() <= 0 if waits else self.attempts <= 0:
            reason = error or urllib3.ResponseError(urllib3.ResponseError.GENERIC_ERROR)
            raise urllib3.MaxRetryError(_pool, url or "", reason) from error
        after = super().increment(method, url, response, error, _pool, _stacktrace)
        if waits:
            after._since = time.monotonic() if self._since is None else self._since
            if self.announce and response is not None:
                self.announce(f"answered {response.status}")
            elif self.announce and error is not None and self.history:  # an idle connection may end: no news
                self.announce(f"cannot be reached ({network.cause(error)})")
        else:
            after.attempts = self.attempts - 1
        return after

    def get_retry_after(self, response: BaseHTTPResponse) -> float | None:
        asked = super().get_retry_after(response)
        return None if asked is None else self._bounded(min(asked, LONGEST_WAIT))

    def get_backoff_time(self) -> float:
        return self._bounded(super().get_backoff_time())

    def _bounded(self, pause: float) -> float:
        """At most what is left of the wait, so that the last attempt is made at its end."""
        return pause if self._since is None else max(0.0, min(pause, self._left()))

    def _left(self) -> float:
        return self.seconds if self._since is None else self._since + self.seconds - time.monotonic()

    def _is_final(self, response: BaseHTTPResponse | None) -> bool:
        if response is None:
            return False
        lasting = response.status == 429 and (super().get_retry_after(response) or 0) > LONGEST_WAIT
        return lasting or response.headers.get("X-Should-Retry") == "false"

    def _is_restarting(self, response: BaseHTTPResponse | None, error: Exception | None) -> bool:
        if error is not None:
            return self._is_connection_error(error) or isinstance(error, urllib3.ProtocolError)
        return response is not None and response.status in _RESTARTING


def backoff(attempts: int, waiting: float, announce: Announce | None = None) -> Backoff:
    """Retry with jitter; see Backoff.

    Every method is retried: reads are safe, and every write carries an Idempotency-Key that the server honours.
    """
    retry = Backoff(
        total=None,
        connect=None,
        read=None,
        status=None,
        redirect=0,
        other=0,
        allowed_methods=None,
        status_forcelist=_RESTARTING | _LATER,
        backoff_factor=0.3,
        backoff_max=10,
        backoff_jitter=0.3,
        raise_on_status=False,
    )
    retry.attempts, retry.seconds, retry.announce = attempts, waiting, announce
    return retry
