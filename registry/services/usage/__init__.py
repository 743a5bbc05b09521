"""Hourly counts of downloads and refusals."""

from registry.services.usage import downloads, hourly_counts, refusals

__all__ = ["downloads", "hourly_counts", "refusals"]
