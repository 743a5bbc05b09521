"""Lineage of versions: runs, code, environments, datasets and parent versions."""

from registry.services.lineage import (
    additions,
    datasets,
    dependents,
    edges,
    exports,
    graph,
    impact,
    pipeline_events,
    recording,
    reproducibility,
)

__all__ = [
    "additions",
    "datasets",
    "dependents",
    "edges",
    "exports",
    "graph",
    "impact",
    "pipeline_events",
    "recording",
    "reproducibility",
]
