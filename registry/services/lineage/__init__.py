"""Lineage of versions: runs, code, environments, datasets and parent versions."""

from registry.services.lineage import recording

__all__ = ["recording"]
