"""Exports to and imports from MLflow registries."""
