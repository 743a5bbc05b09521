"""The front matter of a model card: YAML between two lines of three hyphens, read as names and texts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

MOST = 8_192  # characters
MOST_ROWS = 100
_DEPTH = 8
_FENCE = "---"


@dataclass(frozen=True, slots=True)
class ModelCard:
    """A parsed card. ``rows`` is the front matter; ``problem`` is why it cannot be shown as a table."""

    body: str
    rows: tuple[tuple[str, str], ...] = ()
    more: bool = False
    problem: str | None = None


class _Refused(Exception):
    """The front matter uses a refused feature of YAML, or is nested too deep."""


class _Composer(yaml.SafeLoader):
    """Composes YAML nodes without constructing values: each scalar stays a text."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            raise _Refused("it has YAML anchors or aliases")
        self.depth += 1
        if self.depth > _DEPTH:
            raise _Refused(f"it is nested more than {_DEPTH} levels deep")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def read_card(text: str) -> ModelCard:
    """Return the card's front matter as rows, and its body. A front matter that cannot be read stays in the body."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    if not text.startswith(f"{_FENCE}\n"):
        return ModelCard(text)
    source, fence, body = text[len(_FENCE) + 1 :].partition(f"\n{_FENCE}\n")
    if not fence:
        return ModelCard(text)
    if len(source) > MOST:
        return ModelCard(body, problem=f"it has more than {MOST} characters")
    try:
        rows = list(_listed_values(_compose(source)))
    except _Refused as refused:
        return ModelCard(body, problem=str(refused))
    except (yaml.YAMLError, ValueError, OverflowError):  # the last two for an escape of what is no character
        return ModelCard(body, problem="it is not YAML")
    return ModelCard(body, tuple(rows[:MOST_ROWS]), len(rows) > MOST_ROWS)


def _compose(source: str) -> Any:
    loader = _Composer(source)
    try:
        return loader.get_single_node()
    finally:
        loader.dispose()


def _listed_values(node: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield a row for each value, named by its path; a list of texts is one row."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else "?"
            yield from _listed_values(value, f"{path}.{name}" if path else name)
    elif isinstance(node, yaml.SequenceNode):
        texts = [one.value for one in node.value if isinstance(one, yaml.ScalarNode)]
        if texts:
            yield path, ", ".join(texts)
        for place, one in enumerate(node.value, start=1):
            if not isinstance(one, yaml.ScalarNode):
                yield from _listed_values(one, f"{path}.{place}" if path else str(place))
    elif node is not None:
        yield path, node.value
