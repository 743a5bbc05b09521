"""Upstream MLflow tracking servers: what they know of runs and logged models, and the files that they hand out."""
