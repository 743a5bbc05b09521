"""The views, one module for each group of pages."""

from __future__ import annotations

import importlib

# One name for each module, in alphabetical order.
MODULES = (
    "access",
    "aliases",
    "audit",
    "break_glass",
    "card",
    "changes",
    "comparison",
    "evidence",
    "files",
    "gates",
    "history",
    "holds",
    "home",
    "inventory",
    "lineage",
    "lineage_acts",
    "metrics",
    "model_acts",
    "models",
    "notes",
    "policies",
    "reproducibility",
    "requests",
    "search",
    "settings",
    "stages",
    "staging",
    "status",
    "tenures",
    "tokens",
    "twin",
    "version_acts",
    "versions",
)


def load() -> None:
    """Import the views, which adds their routes to the blueprint."""
    for name in MODULES:
        importlib.import_module(f"{__name__}.{name}")
