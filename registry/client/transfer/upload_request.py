"""One request's worth of a file's bytes to its signed URL: again while that can help, with a fresh URL each time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import requests

from registry.client import errors
from registry.client.files import scan
from registry.client.files.scan import Hashed
from registry.client.http import store_answers
from registry.client.http.transport import Transport
from registry.client.transfer import workers
from registry.client.transfer.progress import Meter
from registry.client.transfer.request_body import Body
from registry.client.types import Target

_STALE = frozenset({403, 404, 410})  # expired, or about an upload that is over
_LATER = frozenset({408, 425, 429, 500, 502, 503, 504})
_ALREADY_STORED = 412
_KEPT = "; nothing was registered, and what arrived is kept: run this again later"

Renew = Callable[[], Target | None]
"""A freshly signed target, or None when the bytes need not be sent any more."""


class _Stale(Exception):
    """The store refused the URL, not the bytes; ``error`` is what to raise when another URL is refused too."""

    def __init__(self, error: errors.RegistryError) -> None:
        super().__init__(error)
        self.error = error


@dataclass(frozen=True, slots=True)
class Delivery:
    """Sends bytes with *transport*, counts them with *meter*."""

    transport: Transport
    meter: Meter

    def deliver(self, file: Hashed, target: Target, renew: Renew, *, start: int = 0, size: int | None = None) -> bool:
        """Send *size* bytes of the file (all, by default) from *start* on; False when *renew* said that nobody needs
        them. Raises SourceChanged, UploadRefused, UnexpectedReply when it is not the store that refuses, or Unavailable
        when the store does not recover."""
        length = file.size if size is None else size
        persistence, renewed = workers.Persistence(self.transport.attempts, self.transport.retry_seconds), False
        while True:
            try:
                self._put(file, target, start, length)
                return True
            except _Stale as error:
                if renewed:
                    raise error.error from None
                renewed = True
            except errors.Unavailable as error:
                if persistence.ends():
                    raise
                self.meter.pause(workers.pause(persistence.failures, error))
                renewed = False
            fresh = renew()
            if fresh is None:
                self.meter.skip(length)
                return False
            target = fresh

    def _put(self, file: Hashed, target: Target, start: int, size: int) -> None:
        """Send once; raises _Stale, Unavailable, UploadRefused or UnexpectedReply, and then nothing is counted."""
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


def _judge(response: requests.Response) -> None:
    status = response.status_code
    if status < 300 and (page := store_answers.instead(response)):
        raise page
    if status < 300 or status == _ALREADY_STORED:
        return
    if status in _STALE:
        raise _Stale(store_answers.refused(response))
    if status in _LATER or (status == 400 and b"RequestTimeout" in response.content):
        raise store_answers.later(response, _KEPT)
    raise store_answers.refused(response)
