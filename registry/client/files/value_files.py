"""Files of metrics, params and signatures: JSON or YAML, also with a byte order mark, as training scripts write them.

Nested values get the path to them as their key, with dots: ``{"val": {"auc": 0.9}}`` is the metric ``val.auc``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from registry.client.errors import UnfitSource

YAML = (".yaml", ".yml")
MOST_BYTES = 8 << 20
MOST_VALUES = 10_000  # a few lines of YAML can name more than memory holds
LEVELS = 32


def metrics(path: Path) -> dict[str, float]:
    """Return the numbers of a file, by key; NaN and infinities as floats, however the file spells them.

    Raises UnfitSource, which names the key, for a value that is no number.
    """
    return {key: _parse_number(path, key, value) for key, value in flat(path, document(path)).items()}


def params(path: Path) -> dict[str, Any]:
    """Return the scalars of a file, by key; lists as JSON. Raises UnfitSource."""
    return scalars(path, document(path))


def scalars(path: Path, values: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the scalars of nested values that *path* holds, by key; lists as JSON. Raises UnfitSource."""
    return {
        key: json.dumps(value, default=str) if isinstance(value, list | dict) else value
        for key, value in flat(path, values).items()
    }


def document(path: Path) -> dict[str, Any]:
    """Return the object in a file: YAML by its name, else JSON. Raises UnfitSource."""
    kind = "YAML" if path.suffix.lower() in YAML else "JSON"
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise UnfitSource(f"{path} cannot be read ({error.strerror}).") from error
    if len(content) > MOST_BYTES:
        raise UnfitSource(f"{path} has more than {MOST_BYTES >> 20} MiB.")
    try:
        parsed = _yaml(content) if kind == "YAML" else json.loads(content, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise UnfitSource(f"{path} is not {kind}: {' '.join(str(error).split())}.") from error
    if not isinstance(parsed, dict):
        raise UnfitSource(f"{path} holds no {kind} object.")
    return parsed


def _yaml(content: bytes) -> Any:
    from registry.rules import yaml_documents  # the parser is slow to import, and most files are JSON

    return yaml_documents.load(content, _object)


def _object(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    members: dict[Any, Any] = {}
    for key, value in pairs:
        if key in members:
            raise ValueError(f"the key {key} is there twice")
        members[key] = value
    return members


def flat(path: Path, values: Mapping[Any, Any]) -> dict[str, Any]:
    """Return nested values that *path* holds with dots in their keys. Raises UnfitSource."""
    leaves: dict[str, Any] = {}
    for key, value in _leaves(path, values, ""):
        if key in leaves:
            raise UnfitSource(f"{path}: {key!r} is there twice, once of them nested.")
        if len(leaves) == MOST_VALUES:
            raise UnfitSource(f"{path} has more than {MOST_VALUES} values.")
        leaves[key] = value
    return leaves


def _leaves(path: Path, values: Mapping[Any, Any], above: str, depth: int = 1) -> Iterator[tuple[str, Any]]:
    if depth > LEVELS:
        raise UnfitSource(f"{path} has more than {LEVELS} levels.")
    for name, value in values.items():
        key = above + (name if isinstance(name, str) else json.dumps(name, default=str))
        if isinstance(value, Mapping) and value:
            yield from _leaves(path, value, f"{key}.", depth + 1)
        else:
            yield key, value


def _parse_number(path: Path, key: str, value: Any) -> float:
    """Return a number. Texts are numbers where YAML 1.1 or MLflow's JSON has no other form: ``1e-3``, ``"NaN"``."""
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        try:
            number = float(value)
        except (ValueError, OverflowError):
            pass
        else:
            return number if isinstance(value, str) else value
    raise UnfitSource(f"{path}: {key!r} is {str(value)[:50]!r}, not a number.")
