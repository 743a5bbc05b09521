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


def load_untagged(content: bytes) -> Any:
    """Return the document of plain values; raises ValueError, also for tags and aliases.

    A few lines of aliases can name more than memory holds.
    """

    class Loader(yaml.SafeLoader):
        """Values that stand where they are used."""

        def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
            event = self.peek_event()  # type: ignore[no-untyped-call]  # of the stubs
            if isinstance(event, yaml.AliasEvent):
                raise ValueError("it has an alias")
            if getattr(event, "tag", None) is not None:
                raise ValueError(f"it has the tag {event.tag}")
            return super().compose_node(parent, index)

    return _single_document(Loader(content))


def load_texts(content: bytes) -> Any:
    """Return the document of texts, lists and mappings. Raises ValueError.

    Aliases are kept: a value may stand at many places, and in itself. Tags are ignored.
    """
    return _single_document(yaml.BaseLoader(content))


def _single_document(loader: Any) -> Any:
    try:
        return loader.get_single_data()
    except yaml.YAMLError as error:
        problem = getattr(error, "problem", None) or "it cannot be read"
        mark = getattr(error, "problem_mark", None)
        raise ValueError(f"{problem}, line {mark.line + 1}" if mark else problem) from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    except OverflowError as error:  # an escape that names no character
        raise ValueError("it has an escape that names no character") from error
    finally:
        loader.dispose()
