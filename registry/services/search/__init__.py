"""Search of models and versions, for the native API and for MLflow."""

from registry.services.search import mlflow_entities, search

__all__ = ["mlflow_entities", "search"]
