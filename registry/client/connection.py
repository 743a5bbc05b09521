"""The connection to one registry, and its resources."""

from __future__ import annotations

import logging
import os
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Self

from registry.client.api.aliases import Aliases
from registry.client.api.audit import Audit
from registry.client.api.gates import Gates
from registry.client.api.holds import Holds
from registry.client.api.imports import Imports
from registry.client.api.jobs import Jobs
from registry.client.api.lineage import Lineage
from registry.client.api.models import Models
from registry.client.api.overview import Overview
from registry.client.api.requests import Requests
from registry.client.api.search import Search
from registry.client.api.stages import Stages
from registry.client.api.tokens import Tokens
from registry.client.api.uploads import Uploads
from registry.client.api.versions import Versions
from registry.client.files.paths import working_directory
from registry.client.http import credentials, retry, target
from registry.client.http.certificates import Trust
from registry.client.http.receipts import Receipt
from registry.client.http.retry import Announce
from registry.client.http.transport import Timeout, Transport

TIMEOUT: Timeout = (5.0, 60.0)
RETRIES = 4

log = logging.getLogger("registry.client")


class Connection:
    """The connection to one registry; ``RegistryClient`` describes its arguments."""

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        timeout: float | Timeout = TIMEOUT,
        retries: int = RETRIES,
        retry_seconds: float | None = None,
        on_retry: Announce | None = None,
        insecure: bool = False,
        ca_file: str | Path | None = None,
    ) -> None:
        if url is None:
            resolved = target.resolve(
                url=None,
                token=token,
                insecure=insecure,
                environ=os.environ,
                cwd=working_directory(),
                home=credentials.user_directory(),
            )
            url, token, insecure = resolved.url, resolved.token, resolved.insecure
            ca_file = ca_file or resolved.ca_file
        limits = timeout if isinstance(timeout, tuple) else (min(timeout, TIMEOUT[0]), timeout)
        if retry_seconds is None:
            retry_seconds = retry.seconds(os.environ) if retries else 0
        self._transport = Transport(
            url,
            token=token,
            timeout=limits,
            retries=retries,
            insecure=insecure,
            retry_seconds=retry_seconds,
            announce=on_retry or log.warning,
            trust=Trust(ca_file),
        )
        self.models = Models(self._transport)
        self.versions = Versions(self._transport)
        self.uploads = Uploads(self._transport)
        self.imports = Imports(self._transport)
        self.jobs = Jobs(self._transport)
        self.gates = Gates(self._transport)
        self.requests = Requests(self._transport)
        self.stages = Stages(self._transport)
        self.aliases = Aliases(self._transport)
        self.audit = Audit(self._transport)
        self.search = Search(self._transport)
        self.lineage = Lineage(self._transport)
        self.holds = Holds(self._transport)
        self.tokens = Tokens(self._transport)
        self.overview = Overview(self._transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    @property
    def url(self) -> str:
        return self._transport.url

    @property
    def has_pages(self) -> bool:
        """Return whether an answer of the registry has announced that people can open pages below its URL."""
        return self._transport.has_pages

    @property
    def database_position(self) -> str | None:
        """The position of the registry's database after the latest write of this process; None without a replica.

        It is sent with each request, so that reads show what was written. Another process that is to read it gets it
        by :meth:`read_after`.
        """
        return self._transport.position.text

    def read_after(self, position: str) -> None:
        """Let reads show at least the state of *position*, the ``database_position`` of another process."""
        self._transport.position.note(position)

    def receipts(self, *, wait: int = 0) -> AbstractContextManager[list[Receipt]]:
        """Collect a receipt of each write of a block: the audit entry that it has appended, last the latest.

        Only writes of the calling thread count, and a write that changes nothing has no receipt. With *wait* each write
        waits until its entry is sealed, so many seconds at most (10 or less)::

            with registry.receipts(wait=10) as receipts:
                registry.promote("fraud:3", reason="AUC 0.93")
            proof = registry.audit.proof(receipts[-1].entry)
        """
        return self._transport.receipts.collecting(wait)

    @property
    def token_expires_at(self) -> datetime | None:
        """The end of the token, if a response has warned of it: in its last 14 days, or the last fifth of its life.

        The first warning is also logged, by ``registry.client.expiry``.
        """
        return self._transport.expiry.at
