"""Monitoring: health, metrics from the database, and the diagnosis of an installation."""

from registry.services.monitoring import checks, diagnosis, gauges, health, log_health, overview, table_counts

__all__ = ["checks", "diagnosis", "gauges", "health", "log_health", "overview", "table_counts"]
