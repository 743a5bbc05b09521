"""Lineage of versions: runs, code, environments, datasets and parent versions."""
