"""Texts of policies: YAML or JSON, plain values, each key once, without aliases and tags.

Scalars are resolved as by the core schema of YAML 1.2: ``no`` and ``on`` are texts, and so are ``18:00`` and
``2026-12-24``, which YAML 1.1 reads as a number and as a date.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import yaml

from registry.rules.json_values import LARGEST_INTEGER
from registry.rules.policies.reading import InvalidPolicy, Problem

MAX_BYTES = 64 * 1024
LEVELS = 8  # a document needs 5: stage, rule, tags, values
_WORDS: Mapping[str, Any] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_INTEGER = re.compile(r"[-+]?[0-9]+\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_NOT_FINITE = re.compile(r"(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z")

Lines = dict[str, int]  # the lines of keys and items, by their places


def load(document: str) -> tuple[Any, Lines]:
    """Return the values of a text, and the lines of their places. Raises InvalidPolicy."""
    if len(document.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise InvalidPolicy([Problem("", f"must have at most {MAX_BYTES // 1024} KiB")])
    if document.lstrip().startswith("{"):
        try:
            return _load_json(document), {}
        except json.JSONDecodeError:
            pass  # YAML has the same brackets
    builder = _Builder()
    try:
        for event in yaml.parse(document, yaml.SafeLoader):
            builder.add(event)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "is not YAML"
        tabs = "'\\t'" in problem
        advice = "indent with spaces, not with tabs" if tabs else "check the indentation, quotes and brackets"
        text = f"is no valid YAML: {problem}; {advice}"
        raise InvalidPolicy([Problem("", text, mark.line + 1 if mark else None)]) from error
    except (ValueError, OverflowError) as error:  # an escape may name no character
        raise error if isinstance(error, InvalidPolicy) else InvalidPolicy([Problem("", "is not YAML")]) from error
    if builder.problems:
        raise InvalidPolicy(builder.problems)
    return builder.value, builder.lines


def _load_json(document: str) -> Any:
    repeated: list[Problem] = []

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in items]
        repeated.extend(Problem(key, "stands twice") for key in dict.fromkeys(keys) if keys.count(key) > 1)
        return dict(items)

    try:
        value = json.loads(document, object_pairs_hook=pairs)
    except RecursionError as error:
        raise InvalidPolicy([Problem("", f"must have at most {LEVELS} levels")]) from error
    except json.JSONDecodeError:
        raise
    except ValueError as error:  # an integer of thousands of digits
        raise InvalidPolicy([Problem("", f"has an integer beyond {LARGEST_INTEGER}")]) from error
    if repeated:
        raise InvalidPolicy(repeated)
    return value


class _Builder:
    """Values from the events of YAML's parser, which nests no calls."""

    def __init__(self) -> None:
        self.value: Any = None
        self.lines: Lines = {}
        self.problems: list[Problem] = []
        self._open: list[tuple[Any, str]] = []  # containers, with their places
        self._keys: list[Any] = []  # of each open mapping the key whose value is next
        self._documents = 0

    def add(self, event: yaml.Event) -> None:
        """Add an event. Raises InvalidPolicy for one that a plain document has not."""
        line = event.start_mark.line + 1 if event.start_mark else None
        if isinstance(event, yaml.AliasEvent):
            raise InvalidPolicy([Problem("", f"aliases such as *{event.anchor} are refused; repeat the value", line)])
        if (tag := getattr(event, "tag", None)) not in {None, "!"}:
            raise InvalidPolicy([Problem("", f"tags such as {str(tag)[:50]} are refused", line)])
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise InvalidPolicy([Problem("", "must be one document, without --- in between", line)])
        elif isinstance(event, yaml.ScalarEvent):
            self._add(_scalar(event, line) if event.implicit[0] else event.value, line)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._begin({} if isinstance(event, yaml.MappingStartEvent) else [], line)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._open.pop()
            self._keys.pop()

    def _begin(self, container: Any, line: int | None) -> None:
        if len(self._open) >= LEVELS:
            raise InvalidPolicy([Problem("", f"must have at most {LEVELS} levels", line)])
        if self._open and isinstance(self._open[-1][0], dict) and self._keys[-1] is None:
            raise InvalidPolicy([Problem(self._open[-1][1], "keys must be texts", line)])
        place = self._add(container, line)
        self._open.append((container, place))
        self._keys.append(None)

    def _add(self, value: Any, line: int | None) -> str:
        """Put a value in its place, or keep it as the next key. Return the place."""
        if not self._open:
            self.value = value
            return ""
        container, place = self._open[-1]
        if isinstance(container, list):
            container.append(value)
            place = f"{place}[{len(container) - 1}]"
        elif self._keys[-1] is None:
            self._keys[-1] = self._key(value, place, line)
            return place
        else:
            (key,) = self._keys[-1]
            self._keys[-1] = None
            container[key] = value
            return f"{place}.{key}" if place else str(key)
        self.lines[place] = line or 0
        return place

    def _key(self, value: Any, place: str, line: int | None) -> tuple[str]:
        if not isinstance(value, str):
            self.problems.append(Problem(place, "keys must be texts; write them in quotes", line))
        key = str(value)
        inner = f"{place}.{key}" if place else key
        if key in self._open[-1][0]:
            self.problems.append(Problem(inner, "stands twice", line))
        self.lines[inner] = line or 0
        return (key,)


def _scalar(event: yaml.ScalarEvent, line: int | None) -> Any:
    value = event.value
    if value in _WORDS:
        return _WORDS[value]
    if _INTEGER.match(value):
        if len(value) > 17:
            raise InvalidPolicy([Problem("", f"{value[:30]} is beyond {LARGEST_INTEGER}", line)])
        return int(value)
    if _FLOAT.match(value):
        return float(value)
    if _NOT_FINITE.match(value):
        return float(value.replace(".", "").lower())
    return value
