"""Upstream MLflow tracking servers: their runs and logged models, and the files of these."""
