"""The present time; the only place that reads the machine's clock for the domain."""

from datetime import UTC, datetime


def now() -> datetime:
    """Return the current instant, aware, in UTC."""
    return datetime.now(UTC)


def wire(instant: datetime) -> str:
    """RFC 3339 in UTC with microseconds: ``2026-11-21T13:05:02.123456Z``."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"
