"""Search of models and versions, for the native API and for MLflow."""

from registry.services.search import completion, known_terms, mlflow_entities, search

__all__ = ["completion", "known_terms", "mlflow_entities", "search"]
