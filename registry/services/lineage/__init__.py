"""Lineage of versions: runs, code, environments, datasets and parent versions."""

from registry.services.lineage import additions, edges, graph, impact, pipeline_events, recording, reproducibility

__all__ = ["additions", "edges", "graph", "impact", "pipeline_events", "recording", "reproducibility"]
