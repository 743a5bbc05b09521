"""One request's worth of a file's bytes to its signed URL: again while that can help, with a fresh URL each time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import requests

from registry.client.files import scan
from registry.client.files.scan import Hashed
from registry.client.http import store_answers
from registry.client.http.transport import Transport
from registry.client.progress import Meter
from registry.client.transfer.request_body import Body
from registry.client.types import Target

_STALE = frozenset({403, 404, 410})  # expired, or about an upload that is over
# If-None-Match was refused: an earlier attempt arrived although its response was lost.
_ALREADY_STORED = 412
_KEPT = "; nothing was registered, and what arrived is kept: run this again later"

Renew = Callable[[], Target | None]
"""A freshly signed target, or None when the bytes need not be sent any more."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """Sends bytes with *transport*, counts them with *meter*."""

    transport: Transport
    meter: Meter

    def deliver(self, file: Hashed, target: Target, renew: Renew, *, start: int = 0, size: int | None = None) -> bool:
        """Send *size* bytes of the file (all, by default) from *start* on. Return False when they need not be sent.

        Raises SourceChanged, UploadRefused, UnexpectedReply when it is not the store that refuses, or Unavailable
        when the store does not recover.
        """
        length = file.size if size is None else size
        targets = _targets(target, renew)

        def attempt() -> bool:
            fresh = next(targets)
            if fresh is None:
                self.meter.skip(length)
            else:
                self._put(file, fresh, start, length)
            return fresh is not None

        return self.transport.transfer_retries.run(attempt, pause=self.meter.pause)

    def _put(self, file: Hashed, target: Target, start: int, size: int) -> None:
        """Send once; raises Unavailable, UploadRefused or UnexpectedReply, and then nothing is counted."""
        with scan.opened(file) as stream:
            body = Body(stream, file, self.meter, start=start, size=size) if size else None
            try:
                with self.transport.put(target["url"], body or b"", target["headers"]) as response:
                    scan.unchanged(file, stream)
                    _judge(response)
            except BaseException:
                if body and not self.meter.stopped:
                    body.uncount()
                raise


def _targets(target: Target, renew: Renew) -> Iterator[Target | None]:
    """Yield where to send the bytes, at each attempt."""
    yield target
    while True:
        yield renew()


def _judge(response: requests.Response) -> None:
    status = response.status_code
    if status < 300 and (page := store_answers.instead(response)):
        raise page
    if status < 300 or status == _ALREADY_STORED:
        return
    if status in _STALE:
        raise store_answers.expired(store_answers.refused(response))
    if later := store_answers.later(response, _KEPT):
        raise later
    raise store_answers.refused(response)
