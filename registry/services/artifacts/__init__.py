"""Files of MLflow's artifact area: written and read by path, uploaded in parts, registered as versions."""

from registry.services.artifacts import artifact_files, mlflow_sources, multipart

__all__ = ["artifact_files", "mlflow_sources", "multipart"]
