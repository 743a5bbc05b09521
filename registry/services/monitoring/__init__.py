"""Monitoring: health, metrics from the database, and the diagnosis of an installation."""

from registry.services.monitoring import (
    attention,
    checks,
    diagnosis,
    gauges,
    health,
    log_health,
    overview,
    table_counts,
)

__all__ = ["attention", "checks", "diagnosis", "gauges", "health", "log_health", "overview", "table_counts"]
