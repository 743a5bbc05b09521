"""This machine's clock, where the kernel reports that NTP keeps it synchronised."""

from __future__ import annotations

import ctypes
import sys
import time
from datetime import UTC, datetime

MOST_ERROR_SECONDS = 5.0
_TIME_ERROR = 5
_STA_UNSYNC, _STA_NANO = 0x0040, 0x2000


class _Timex(ctypes.Structure):
    """The first fields of adjtimex(2)'s ``struct timex``, and room for the others."""

    _fields_ = (
        ("modes", ctypes.c_uint), ("offset", ctypes.c_long), ("freq", ctypes.c_long), ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long), ("status", ctypes.c_int), ("constant", ctypes.c_long),
        ("precision", ctypes.c_long), ("tolerance", ctypes.c_long), ("seconds", ctypes.c_long),
        ("fraction", ctypes.c_long), ("rest", ctypes.c_long * 32),
    )  # fmt: skip


def synchronised() -> datetime | None:
    """Return this machine's time; None unless NTP has set it and keeps it within some seconds.

    Setting the clock by hand ends the synchronisation until NTP has set it again.
    """
    if not sys.platform.startswith("linux"):
        return None
    status = _Timex()
    state = ctypes.CDLL(None).adjtimex(ctypes.byref(status))  # a container may not be allowed to: -1
    if state < 0 or state == _TIME_ERROR or status.status & _STA_UNSYNC or status.maxerror > MOST_ERROR_SECONDS * 1e6:
        return None
    kernel = status.seconds + status.fraction / (1e9 if status.status & _STA_NANO else 1e6)
    now = time.time()
    # They differ where a library shows this process another time than the kernel has.
    return datetime.fromtimestamp(now, UTC) if abs(now - kernel) < MOST_ERROR_SECONDS else None
