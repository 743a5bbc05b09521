"""Lineage of versions: runs, code, environments, datasets and parent versions."""

from registry.services.lineage import graph, impact, recording

__all__ = ["graph", "impact", "recording"]
