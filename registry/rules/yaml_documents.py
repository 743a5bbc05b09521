"""YAML documents of plain values, each key once."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import yaml

LEVELS = 64
MOST_CHARACTERS = 16 << 20  # of a document with each alias in full; one without aliases has at most as many as bytes
_MERGE = "tag:yaml.org,2002:merge"  # "<<", whose keys others may override


def load(content: bytes, check: Callable[[list[tuple[Any, Any]]], object]) -> Any:
    """Return the document; *check* is called with the keys of each mapping, in pairs with None.

    Raises ValueError, also for deep nesting and for aliases and merge keys that stand for too much.
    """

    class Loader(yaml.SafeLoader):
        """Plain values only."""

        def get_single_node(self) -> yaml.Node | None:
            node = super().get_single_node()
            if node is not None:
                _measure(node, {})
            return node

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
            keys = [self.construct_object(key, deep=True) for key, _ in node.value if key.tag != _MERGE]
            check([(repr(key), None) for key in keys])
            return super().construct_mapping(node, deep)

    try:
        return yaml.load(content, Loader)  # noqa: S506 -- a SafeLoader
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def _measure(node: yaml.Node, measured: dict[yaml.Node, tuple[int, int]], above: int = 0) -> tuple[int, int]:
    """Return the characters and the levels of a node with each alias in full. Raises ValueError for too many.

    A node that is *measured* is not visited again: a few lines of aliases can stand for more than memory holds.
    """
    if isinstance(node, yaml.ScalarNode):
        return max(len(node.value), 1), 0
    if node not in measured:
        if above == LEVELS:  # as many as there are in a node that stands in itself
            raise ValueError(f"it has more than {LEVELS} levels")
        members = [one for pair in node.value for one in pair] if isinstance(node, yaml.MappingNode) else node.value
        sizes = [_measure(member, measured, above + 1) for member in members]
        measured[node] = 1 + sum(size for size, _ in sizes), 1 + max((levels for _, levels in sizes), default=0)
    size, levels = measured[node]
    if size > MOST_CHARACTERS:
        raise ValueError(f"its aliases stand for more than {MOST_CHARACTERS >> 20} MiB")
    if above + levels > LEVELS:
        raise ValueError(f"it has more than {LEVELS} levels")
    return size, levels


def load_untagged(content: bytes) -> Any:
    """Return the document of plain values; raises ValueError, also for tags, aliases and deep nesting.

    A few lines of aliases can name more than memory holds.
    """
    return _checked(content, getattr(yaml, "CSafeLoader", yaml.SafeLoader), strict=True)


def load_texts(content: bytes) -> Any:
    """Return the document of texts, lists and mappings; raises ValueError, also for deep nesting.

    Aliases are kept: a value may stand at many places. Tags are ignored.
    """
    return _checked(content, getattr(yaml, "CBaseLoader", yaml.BaseLoader), strict=False)


def _checked(content: bytes, loader: Any, *, strict: bool) -> Any:
    """Return the document that *loader* makes, one of the ten times faster ones of libyaml where it is installed."""
    try:
        depth = 0
        for event in yaml.parse(content, loader):  # which nests no calls, unlike what follows
            if strict and isinstance(event, yaml.AliasEvent):
                raise ValueError("it has an alias")
            if strict and (tag := getattr(event, "tag", None)) is not None:
                raise ValueError(f"it has the tag {tag[:50]}")
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > LEVELS:
                raise ValueError(f"it has more than {LEVELS} levels")
        return yaml.load(content, loader)  # noqa: S506 -- both make plain values only
    except yaml.YAMLError as error:
        problem = getattr(error, "problem", None) or "it is not YAML"
        mark = getattr(error, "problem_mark", None)
        raise ValueError(f"{problem}, line {mark.line + 1}" if mark else problem) from error
    except OverflowError as error:  # an escape may name no character
        raise ValueError("it is not YAML") from error
