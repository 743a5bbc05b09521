"""Background jobs of the registry: which are parked or abandoned, and one more try."""

from __future__ import annotations

from collections.abc import Iterator

from registry.client.http.transport import Transport, path
from registry.client.types import JobState, JobView


class Jobs:
    """Imports, verifications, hashing and looks at unfinished runs that are not done. Needs the role admin."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, *, state: JobState | None = None) -> Iterator[JobView]:
        """Open jobs, oldest first; those that are abandoned only for that *state*."""
        return self._transport.pages(JobView, path("jobs"), query={"state": state})

    def retry(self, job_id: str, *, idempotency_key: str | None = None) -> JobView:
        """Return a parked or abandoned job to the workers."""
        return self._transport.one(JobView, "POST", path("jobs", job_id, "retry"), key=idempotency_key)
