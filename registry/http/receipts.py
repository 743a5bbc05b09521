"""The receipt of a write: the header that names the audit entry of the request, and the wait until it is sealed.

A client that sends ``Prefer: wait=N`` (RFC 7240) gets the answer once the entry is sealed, or after N seconds.
"""

from __future__ import annotations

import re
import time
from http import HTTPStatus

from flask import Request, Response
from werkzeug.http import parse_list_header

from registry.domain.states import SealOutcome
from registry.http.access import WRITES
from registry.http.context import adapters, client_is_gone, yielding
from registry.services import sealed_log
from registry.services.audit import receipts
from registry.services.sealed_log import SealStatus
from registry.telemetry import processes, requests
from registry.telemetry.meters import meters

HEADER = "Audit-Event"
PREFER, APPLIED = "Prefer", "Preference-Applied"
MOST_SECONDS = 10
_SECONDS = re.compile(r"[0-9]+", re.ASCII)


def attach(response: Response, request: Request) -> None:
    """Add the receipt to the response of a write that has appended an entry, or repeats one that had."""
    if request.method not in WRITES or response.status_code >= HTTPStatus.BAD_REQUEST:
        return
    receipt = receipts.current()
    if receipt is None:
        return
    value = f"{receipt.entry}; leaf={receipt.leaf}"
    seconds = seconds_to_wait(request.headers.get(PREFER, ""))
    if seconds is not None and (status := _wait(receipt.entry, seconds)) is not None:
        response.headers[APPLIED] = f"wait={seconds}"
        value += f"; position={status.position}" if status.position is not None else ""
    response.headers[HEADER] = value


def seconds_to_wait(preferences: str) -> int | None:
    """Return the seconds of the first preference ``wait``, at most MOST_SECONDS; None where there is none."""
    for preference in parse_list_header(preferences):
        name, _, value = preference.partition(";")[0].partition("=")
        if name.strip().lower() == "wait":
            digits = value.strip().strip('"')
            is_number = _SECONDS.fullmatch(digits) is not None
            return min(MOST_SECONDS, int(digits.lstrip("0")[:3] or "0")) if is_number else None
    return None


def _wait(entry: str, seconds: int) -> SealStatus | None:
    """Wait for an entry; None when so many requests of this process wait already that this one may not."""
    waiters = adapters().waiters
    if not waiters.acquire(blocking=False):
        meters().seal_waits.labels(SealOutcome.BUSY.value).inc()
        return None
    began = time.perf_counter()
    try:
        with yielding():
            status = sealed_log.wait_until_sealed(entry, seconds=seconds, is_over=_is_over)
    finally:
        waiters.release()
        requests.leave_out(time.perf_counter() - began)
    outcome = SealOutcome.SEALED if status is not None and status.is_sealed else SealOutcome.TIMEOUT
    meters().seal_waits.labels(outcome.value).inc()
    return status


def _is_over() -> bool:
    return processes.draining() or client_is_gone()
