"""The pin of the audit log as an S3 object, written with conditions.

A server without them compares nothing. Two databases that sign for one log at the same instant then both succeed once,
and the next comparison finds the fork.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import structlog
from botocore.exceptions import ClientError

from registry.storage.driver import Missing
from registry.storage.s3_client import Clients, naming_errors

log = structlog.get_logger(__name__)
# Absent: the object is gone. The others: the condition does not hold, or another conditional write is under way.
_REFUSED = frozenset({404, 409, 412})
_NOT_IMPLEMENTED = 501


class PinObject:
    """The object *key* of a bucket."""

    def __init__(self, clients: Clients, bucket: str, key: str) -> None:
        self._clients, self._bucket, self._key = clients, bucket, key

    def read(self, max_bytes: int) -> tuple[bytes, str]:
        """Return at most *max_bytes* of the object, and its ETag. Raises Missing."""
        with naming_errors():
            response = self._clients.client.get_object(Bucket=self._bucket, Key=self._key)
            with response["Body"] as body:
                return body.read(max_bytes), response["ETag"]

    def write(self, content: bytes, tag: str | None) -> bool:
        """Write the object if it has this ETag, or with None if there is none; return whether it was written."""
        put = partial(
            self._clients.client.put_object,
            Bucket=self._bucket, Key=self._key, Body=content, ContentType="text/plain; charset=utf-8",
        )  # fmt: skip
        with naming_errors():
            try:
                put(IfNoneMatch="*") if tag is None else put(IfMatch=tag)
            except ClientError as error:
                status = error.response["ResponseMetadata"]["HTTPStatusCode"]
                if status == _NOT_IMPLEMENTED and tag is not None:
                    return self._write_compared(put, tag)
                if status not in _REFUSED or error.response["Error"]["Code"] == "NoSuchBucket":
                    raise
                return False
            return True

    def _write_compared(self, put: Callable[[], object], tag: str) -> bool:
        """Compare first, as well as a server without conditional writes allows."""
        log.warning("store.no_conditional_writes", key=self._key)
        try:
            if self.read(0)[1] != tag:
                return False
        except Missing:
            return False
        put()
        return True
