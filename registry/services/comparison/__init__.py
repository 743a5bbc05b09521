"""Comparison: versions by reference, and what differs between them."""

from registry.services.comparison import file_comparison, references, version_comparison

__all__ = ["file_comparison", "references", "version_comparison"]
