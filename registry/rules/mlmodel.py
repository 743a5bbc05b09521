"""Facts in the files of an MLflow model: ``MLmodel``, and the files that pin its environment. Never executed.

The client, imports and the MLflow face all read these facts here. A fact that no file has is not recorded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from registry.rules.byte_sizes import FACTS_BYTES, octets
from registry.rules.json_values import can_be_stored

NAME = "MLmodel"
MOST = 1024 * 1024
FRAMEWORK_LENGTH, PYTHON_LENGTH = 64, 64
MOST_OF_SIGNATURE = FACTS_BYTES // 4 * 3  # the rest is left for the caller's facts
# From the one that names most exactly what was installed to the one that names least.
PINS = ("requirements.txt", "conda.yaml", "python_env.yaml")
_PYTHON_ENV = "python_env.yaml"
READ = frozenset({NAME, _PYTHON_ENV})
_GENERIC = "python_function"
_RUN_ID = re.compile(r"[0-9a-f]{32}\Z")


@dataclass(frozen=True, slots=True)
class Facts:
    """``framework`` is the model's flavor; ``signature`` its inputs, outputs and params as MLflow describes them.

    ``lock_digest`` is the digest of the file that pins its packages, as ``sha256:<hex>``. ``run_id`` is the run that
    the file names, which may be any. ``python_file`` is the file that names ``python``. ``problem`` is why nothing is
    read of an ``MLmodel`` that is there.
    """

    framework: str | None = None
    signature: Mapping[str, Any] | None = None
    python: str | None = None
    lock_digest: str | None = None
    run_id: str | None = None
    python_file: str | None = None
    problem: str | None = None


def capture(digests: Mapping[str, str], sizes: Mapping[str, int], content_of: Callable[[str], bytes]) -> Facts:
    """Read the facts. *digests* has the hex SHA-256 of each file by its path, *content_of* reads a file.

    Raises what *content_of* raises.
    """
    facts = read(content_of(NAME)) if sizes.get(NAME, MOST) < MOST else Facts()
    if sizes.get(NAME, 0) >= MOST:
        facts = Facts(problem=f"it has {sizes[NAME]} bytes, and less than {MOST} are read")
    python, python_file = facts.python, NAME
    if python is None and sizes.get(_PYTHON_ENV, MOST) < MOST:
        python = _python_version(document(content_of(_PYTHON_ENV)).get("python"))
        python_file = _PYTHON_ENV
    lock = next((f"sha256:{digests[name]}" for name in PINS if name in digests), None)
    return replace(facts, python=python, python_file=python_file if python else None, lock_digest=lock)


def read(content: bytes) -> Facts:
    """Return the facts of an ``MLmodel`` file; none from a broken one, which is no reason to refuse the model."""
    try:
        fields = parsed(content)
    except ValueError as error:
        return Facts(problem=str(error))
    flavors = fields.get("flavors")
    flavors = flavors if isinstance(flavors, dict) else {}
    generic = flavors.get(_GENERIC)
    python = _python_version(generic.get("python_version")) if isinstance(generic, dict) else None
    return Facts(_framework(flavors), _signature(fields.get("signature")), python, run_id=_run_id(fields.get("run_id")))


def document(content: bytes) -> Mapping[Any, Any]:
    """Return the mapping of texts, lists and mappings that a file holds; empty for a broken one."""
    try:
        return parsed(content)
    except ValueError:
        return {}


def parsed(content: bytes) -> Mapping[Any, Any]:
    """Return the mapping of texts, lists and mappings that a file holds. Raises ValueError with the reason.

    Aliases of YAML are kept: a value may stand at many places, and in itself.
    """
    from registry.rules import yaml_documents  # the parser is slow to import, and most models have none of these files

    found = yaml_documents.load_texts(content)
    if not isinstance(found, dict):
        raise ValueError("it is not a mapping")
    return found


def _framework(flavors: Mapping[Any, Any]) -> str | None:
    named = [
        name for name in flavors if isinstance(name, str) and 0 < len(name) <= FRAMEWORK_LENGTH and _is_printable(name)
    ]
    own = [name for name in named if name != _GENERIC]
    return next(iter(own or named), None)


def _run_id(named: Any) -> str | None:
    return named if isinstance(named, str) and _RUN_ID.match(named) else None


def _signature(described: Any) -> dict[str, Any] | None:
    """Return the signature, whose parts MLflow keeps as JSON texts."""
    if not isinstance(described, dict):
        return None
    parts: dict[str, Any] = {}
    try:
        for name in ("inputs", "outputs", "params"):
            if isinstance(text := described.get(name), str):
                parts[name] = json.loads(text)
        return parts if parts and can_be_stored(parts) and octets(parts) <= MOST_OF_SIGNATURE else None
    except (ValueError, RecursionError):
        return None


def _python_version(text: Any) -> str | None:
    return text if isinstance(text, str) and 0 < len(text) <= PYTHON_LENGTH and _is_printable(text) else None


def _is_printable(text: str) -> bool:
    return text.isprintable()
