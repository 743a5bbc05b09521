"""The front matter of a model card: YAML between two lines of three hyphens, read as names and texts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml
from markupsafe import escape

from registry.web.text.words import clean, safe_url

MOST = 8_192  # characters
MOST_ROWS = 100
MOST_BYTES = 32 * 1024  # of the names and values as HTML
LONGEST_NAME = 200  # characters
LONGEST_VALUE = 2_000
_DEPTH = 8
_FENCE = "---"


@dataclass(frozen=True, slots=True)
class CardRow:
    """A value of the front matter, named by its path. Both are truncated and end with the number of omitted characters.

    ``address`` is the value if a page may link to it.
    """

    name: str
    value: str
    address: str | None = None


@dataclass(frozen=True, slots=True)
class ModelCard:
    """A parsed card. ``rows`` is the front matter; ``problem`` is why it cannot be shown as a table.

    ``left_out`` is the number of values that the table omits.
    """

    body: str
    rows: tuple[CardRow, ...] = ()
    left_out: int = 0
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
        rows, left_out = _fitting_rows(_compose(source))
    except _Refused as refused:
        return ModelCard(body, problem=str(refused))
    except (yaml.YAMLError, ValueError, OverflowError):  # the last two for an escape of what is no character
        return ModelCard(body, problem="it is not YAML")
    return ModelCard(body, tuple(rows), left_out)


def _compose(source: str) -> Any:
    loader = _Composer(source)
    try:
        return loader.get_single_node()
    finally:
        loader.dispose()


def _fitting_rows(node: Any) -> tuple[list[CardRow], int]:
    """Return the first rows, at most MOST_ROWS and MOST_BYTES, and the number of the others."""
    rows: list[CardRow] = []
    room, left_out = MOST_BYTES, 0
    for path, value in _listed_values(node, ()):
        if left_out or len(rows) == MOST_ROWS:
            left_out += 1
            continue
        address = safe_url(value) if len(value) <= LONGEST_VALUE else None
        row = CardRow(_abridged(".".join(path), LONGEST_NAME), _abridged(value, LONGEST_VALUE), address)
        room -= sum(len(escape(clean(text)).encode()) for text in (row.name, row.value, row.address or ""))
        if room < 0:
            left_out += 1
        else:
            rows.append(row)
    return rows, left_out


def _abridged(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}… ({len(text) - most:,} more characters)"


def _listed_values(node: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield each value with its path; a list of texts is one value."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _listed_values(value, (*path, key.value if isinstance(key, yaml.ScalarNode) else "?"))
    elif isinstance(node, yaml.SequenceNode):
        texts = [one.value for one in node.value if isinstance(one, yaml.ScalarNode)]
        if texts:
            yield path, ", ".join(texts)
        for place, one in enumerate(node.value, start=1):
            if not isinstance(one, yaml.ScalarNode):
                yield from _listed_values(one, (*path, str(place)))
    elif node is not None:
        yield path, node.value
