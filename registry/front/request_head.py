"""Detection of the end of a request's head, and of its body's framing: enough to schedule the request.

The parser of gunicorn reads the same bytes again and decides what is valid.
"""

from __future__ import annotations

import re
from typing import NamedTuple

# A bare LF is malformed. It ends the head here too, so that the parser refuses it at once.
_BLANK_LINE = re.compile(rb"\n\r?\n")
_LENGTH = b"\ncontent-length:"
_OTHER_FRAMING = b"\ntransfer-encoding"
_EXPECTATION = b"\nexpect:"


class RequestHead(NamedTuple):
    """``size`` includes the blank line, ``line`` is the length of the request line.

    ``body`` is the announced size, None where only reading shows the end.
    """

    size: int
    line: int
    method: bytes
    path: bytes
    body: int | None


def find(received: bytearray, *, start: int = 0) -> RequestHead | None:
    """Return the head that *received* begins with, None while it is incomplete.

    *start* is how many bytes an earlier call has searched.
    """
    blank = _BLANK_LINE.search(received, max(0, start - 2))
    if blank is None:
        return None
    size = blank.end()
    head = bytes(memoryview(received)[:size])
    return RequestHead(size, *_request_line(head), _body_length(head.lower()))


def unfinished(received: bytearray) -> RequestHead:
    """Return as much of a head as was received before its end; it announces no body."""
    return RequestHead(len(received), *_request_line(bytes(received)), 0)


def is_hopeless(received: bytearray) -> bool:
    """Return whether no request begins like this: a method has capital letters; TLS, for example, begins with 0x16."""
    first = received[:4].lstrip(b"\r\n")[:1]
    return bool(first) and not b"A" <= first <= b"Z"


def _request_line(head: bytes) -> tuple[int, bytes, bytes]:
    """Return the length of the request line, the method and the path."""
    line = head.lstrip(b"\r\n").partition(b"\n")[0]
    method, _, rest = line.partition(b" ")
    return len(line), method, rest.split(b" ", 1)[0].partition(b"?")[0]


def _body_length(head: bytes) -> int | None:
    if _OTHER_FRAMING in head or _EXPECTATION in head:
        return None  # a client that expects 100 (Continue) sends its body after that answer
    at = head.find(_LENGTH)
    if at < 0:
        return 0
    value = head[at + len(_LENGTH) : head.index(b"\n", at + 1)].strip()
    return int(value) if value.isdigit() and len(value) < 16 else None
