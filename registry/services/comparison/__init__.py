"""Comparison of versions and of their files, by reference."""

from registry.services.comparison import file_comparison, references, version_comparison

__all__ = ["file_comparison", "references", "version_comparison"]
