"""YAML documents of plain values, each key once."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import yaml

_MERGE = "tag:yaml.org,2002:merge"  # "<<", whose keys others may override


def load(content: bytes, check: Callable[[list[tuple[Any, Any]]], object]) -> Any:
    """Return the document; *check* is called with the keys of each mapping, in pairs with None. Raises ValueError."""

    class Loader(yaml.SafeLoader):
        """Plain values only."""

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
            keys = [self.construct_object(key, deep=True) for key, _ in node.value if key.tag != _MERGE]
            check([(repr(key), None) for key in keys])
            return super().construct_mapping(node, deep)

    try:
        return yaml.load(content, Loader)  # noqa: S506 -- a SafeLoader
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
