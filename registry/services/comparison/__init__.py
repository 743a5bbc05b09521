"""Comparison: versions by reference, and what differs between them."""

from registry.services.comparison import references, version_comparison

__all__ = ["references", "version_comparison"]
