"""What the files of an MLflow model say of it: ``MLmodel`` and those that pin its environment. Never executed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import rfc8785
import yaml

from registry.domain.lineage import Environment
from registry.domain.manifest import File

NAME = "MLmodel"
MOST = 1024 * 1024
FRAMEWORK_LENGTH, PYTHON_LENGTH = 64, 64
# From the one that names most exactly what was installed to the one that names least.
_PINS = ("requirements.txt", "conda.yaml", "python_env.yaml")
_GENERIC = "python_function"


@dataclass(frozen=True, slots=True)
class Facts:
    """``framework`` is the model's flavor; ``signature`` its inputs, outputs and params as MLflow describes them."""

    framework: str | None = None
    signature: Mapping[str, Any] | None = None
    python: str | None = None


def read(content: bytes) -> Facts:
    """What an ``MLmodel`` file says; nothing where it is broken, which is no reason to refuse the model."""
    try:
        found = yaml.BaseLoader(content).get_single_data()  # which makes texts, lists and mappings, and nothing else
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError):  # an escape may name no character there is
        return Facts()
    told = found if isinstance(found, dict) else {}
    flavors = told.get("flavors")
    flavors = flavors if isinstance(flavors, dict) else {}
    return Facts(_framework(flavors), _signature(told.get("signature")), _python(flavors.get(_GENERIC)))


def environment(files: Sequence[File], python: str | None) -> Environment | None:
    """The environment that the model's files pin: the digest of the most exact of them."""
    digests = {file.path: f"sha256:{file.sha256}" for file in files}
    lock = next((digests[name] for name in _PINS if name in digests), None)
    return Environment(python=python, lock_digest=lock) if lock or python else None


def _framework(flavors: Mapping[Any, Any]) -> str | None:
    named = [name for name in flavors if isinstance(name, str) and 0 < len(name) <= FRAMEWORK_LENGTH and _plain(name)]
    own = [name for name in named if name != _GENERIC]
    return next(iter(own or named), None)


def _signature(told: Any) -> dict[str, Any] | None:
    """MLflow keeps each part as a JSON text of its own."""
    if not isinstance(told, dict):
        return None
    parts: dict[str, Any] = {}
    try:
        for name in ("inputs", "outputs", "params"):
            if isinstance(text := told.get(name), str):
                parts[name] = json.loads(text)
        keepable = b"\\u0000" not in rfc8785.dumps(parts)
    except (ValueError, RecursionError):
        return None
    return parts if parts and keepable else None


def _python(flavor: Any) -> str | None:
    version = flavor.get("python_version") if isinstance(flavor, dict) else None
    return version if isinstance(version, str) and 0 < len(version) <= PYTHON_LENGTH and _plain(version) else None


def _plain(text: str) -> bool:
    return text.isprintable()
