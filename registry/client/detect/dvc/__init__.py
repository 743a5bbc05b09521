"""Data, params, metrics and the command of a model that a DVC pipeline made."""

from registry.client.detect.dvc.walk import capture

__all__ = ["capture"]
