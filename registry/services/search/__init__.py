"""Search of models and versions, for the native API and for MLflow."""

from registry.services.search import best, completion, known_terms, mlflow_entities, search

__all__ = ["best", "completion", "known_terms", "mlflow_entities", "search"]
