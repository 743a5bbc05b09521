"""The MLflow face: its REST protocol over the same services, so that unmodified MLflow clients use this registry."""
