"""The settings: ``Settings.load()`` reads them once from REGISTRY_* variables into one frozen value.

settings          the values; each line declares one: default, limits, description
client_settings   declarations of what the command line and the client read
declarations      kinds of declarations, and the rows of the documentation
environment       single variables, and what is wrong with them
readers           settings that are more than a number, a switch or a text
rules             addresses
secret            texts that do not show themselves
tracking          upstream MLflow tracking servers
"""

from registry.config.client_settings import CLIENT_SETTINGS, CLIENT_VARIABLES
from registry.config.declarations import declarations, documentation
from registry.config.secret import Secret
from registry.config.settings import VARIABLES, Settings, SettingsError
from registry.config.tracking import Tracking

__all__ = [
    "CLIENT_SETTINGS",
    "CLIENT_VARIABLES",
    "VARIABLES",
    "Secret",
    "Settings",
    "SettingsError",
    "Tracking",
    "declarations",
    "documentation",
]
