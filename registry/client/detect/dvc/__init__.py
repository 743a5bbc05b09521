"""Data, params, metrics and the command of a model that a DVC pipeline made; directories that DVC tracks as a whole."""

from registry.client.detect.dvc.directories import KnownDirectory, around
from registry.client.detect.dvc.walk import capture

__all__ = ["KnownDirectory", "around", "capture"]
