"""Search of models and versions, for the native API and for MLflow."""
