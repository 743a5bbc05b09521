"""Limits on failed logins, by address and by token id, counted in the database for all replicas.

Only failures are counted, so a good token costs nothing and works from any address. One exception: where both the
address and the token id are over their limits, a token is refused unread, since it may be a successful guess.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from collections.abc import Sequence

from sqlalchemy.orm import Session

from registry.db import times
from registry.db.bulk_insert import add_counts
from registry.db.models import LoginFailure
from registry.db.session import transaction
from registry.domain.errors import RateLimited

ADDRESS, TOKEN = "address", "token"
WRITES_PER_SECOND = 50  # of one process; failures beyond are refused without being counted
KEPT_SECONDS = 86_400
_IPV6_PREFIX = 64  # what one subscriber has
Subject = tuple[str, str]


class LoginFailures:
    """Counts failures and refuses those beyond the limits; a limit of 0 is none.

    Which subjects are over a limit is remembered until their period ends, so that they cause no more writes.
    """

    def __init__(self, *, per_address: int, per_token: int, period_seconds: int) -> None:
        self._limits = {ADDRESS: per_address, TOKEN: per_token}
        self._seconds = period_seconds
        self._blocked: set[Subject] = set()
        self._period = 0
        self._lock = threading.Lock()
        self._second, self._writes = 0, 0

    def refuse_blocked(self, address: str, token_id: str) -> None:
        """Raise RateLimited when both the address and the token id are over their limits; uses no database."""
        if not self._blocked:
            return
        period = self._begin_period()
        if {(ADDRESS, network(address)), (TOKEN, token_id)} <= self._blocked:
            raise self._limited(period)

    def count(self, address: str, token_id: str | None) -> None:
        """Count a failure in a separate transaction. Raises RateLimited beyond a limit, or Unavailable."""
        subjects = [(ADDRESS, network(address))] + ([(TOKEN, token_id)] if token_id else [])
        counted = [subject for subject in subjects if self._limits[subject[0]]]
        period = self._begin_period()
        if not counted:
            return
        # A blocked address causes no more writes: guessing must not load the database.
        if counted[0] not in self._blocked:
            self._take_write()
            with transaction() as session:
                failures = _add_failures(session, counted, period)
            self._block({subject for subject in counted if failures[subject] > self._limits[subject[0]]})
        if not self._blocked.isdisjoint(counted):
            raise self._limited(period)

    def _begin_period(self) -> int:
        """Return when the present period began; with a new one no subject is blocked."""
        now = int(times.now().timestamp())
        period = now - now % self._seconds
        with self._lock:
            if period != self._period:
                self._period, self._blocked = period, set()
        return period

    def _block(self, subjects: set[Subject]) -> None:
        with self._lock:
            self._blocked |= subjects

    def _take_write(self) -> None:
        """Raise RateLimited when this process has counted as many failures in this second as it may."""
        with self._lock:
            second = int(time.monotonic())
            if second != self._second:
                self._second, self._writes = second, 0
            self._writes += 1
            if self._writes <= WRITES_PER_SECOND:
                return
        raise RateLimited("too many logins fail at the moment; try again in a second", retry_after=1)

    def _limited(self, period: int) -> RateLimited:
        seconds = max(1, period + self._seconds - int(times.now().timestamp()))
        return RateLimited(
            f"too many logins failed from this address, or with this token; try again in {seconds} seconds, with a "
            "valid API token",
            retry_after=seconds,
        )


def network(address: str) -> str:
    """Return what is counted for an address: an IPv4 address, or the /64 of an IPv6 address."""
    try:
        ip_address = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(ip_address, ipaddress.IPv6Address):
        if ip_address.ipv4_mapped:
            return str(ip_address.ipv4_mapped)
        return str(ipaddress.ip_network((int(ip_address), _IPV6_PREFIX), strict=False))
    return str(ip_address)


def _add_failures(session: Session, subjects: Sequence[Subject], period: int) -> dict[Subject, int]:
    """Add one failure to each subject. Addresses come before tokens, so that two callers cannot deadlock."""
    rows = [{"kind": kind, "subject": subject, "period": period, "failures": 1} for kind, subject in subjects]
    added = add_counts(session, LoginFailure, rows, key=("kind", "subject", "period"), counter="failures")
    return {(kind, subject): failures for kind, subject, _, failures in added}
