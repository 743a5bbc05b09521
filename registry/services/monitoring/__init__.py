"""Monitoring: health, metrics from the database, and the diagnosis of an installation."""

from registry.services.monitoring import diagnosis, gauges, health, table_counts

__all__ = ["diagnosis", "gauges", "health", "table_counts"]
