"""The settings: ``Settings.load()`` reads them once from REGISTRY_* variables into one frozen value.

settings    the values with their defaults, and how they are read
rules       addresses
secret      texts that do not show themselves
tracking    upstream MLflow tracking servers
"""

from registry.config.secret import Secret
from registry.config.settings import CLIENT_VARIABLES, VARIABLES, Settings, SettingsError
from registry.config.tracking import Tracking

__all__ = ["CLIENT_VARIABLES", "VARIABLES", "Secret", "Settings", "SettingsError", "Tracking"]
