"""Reading of documents key by key: every mistake is collected with its place."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from registry.rules import suggestions
from registry.rules.listing import listed
from registry.rules.policies.canonical import number as number_text

T = TypeVar("T")
Reader = Callable[[Any], T]
_MISSING = object()
_LONGEST = 500  # characters of a text
_MOST_PROBLEMS = 200


class Problem(NamedTuple):
    """A mistake in a document: the place, such as ``production[2].at_least``, and what is wrong there."""

    path: str
    message: str
    line: int | None = None


class InvalidPolicy(ValueError):
    """A document is no policy; ``problems`` has all its mistakes, or the first of very many and their number."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        more = len(problems) - _MOST_PROBLEMS
        others = [Problem("", f"and {more} more mistakes")] if more > 0 else []
        self.problems = (*problems[:_MOST_PROBLEMS], *others)
        super().__init__("; ".join(f"{one.path}: {one.message}" if one.path else one.message for one in self.problems))


class Misread(ValueError):
    """A value cannot be read; *inner* has the mistakes, with the places within the value."""

    def __init__(self, inner: list[tuple[str, str]]) -> None:
        super().__init__(inner[0][1])
        self.inner = inner


@dataclass
class DocumentKeys:
    """A mapping of a document while it is read. ``take`` removes keys; ``close`` reports those that are left.

    ``known`` has the keys that were taken.
    """

    values: dict[str, Any]
    path: str
    problems: list[Problem]
    known: list[str] = field(default_factory=list)

    def take(self, name: str, read: Reader[T], default: Any = None, *, required: bool = False) -> Any:
        """Return the value of a key as *read* returns it; *default* where it is left out or wrong."""
        self.known.append(name)
        value = self.values.pop(name, _MISSING)
        if value is _MISSING:
            if required:
                self.report(name, "is required")
            return default
        try:
            return read(value)
        except Misread as error:
            for inner, message in error.inner:
                self.report(name + inner, message)
        except ValueError as error:
            self.report(name, str(error))
        return default

    def report(self, name: str, message: str) -> None:
        """Add a mistake at a key, or at the mapping where *name* is empty."""
        self.problems.append(Problem(".".join(part for part in (self.path, name) if part), message))

    def close(self) -> None:
        """Report the keys that were not taken, with the nearest known one."""
        for name in self.values:
            near = suggestions.nearest(name, self.known)
            self.report(
                name, f"unknown key; did you mean {near}?" if near else f"unknown key; known are {listed(self.known)}"
            )


def text(value: Any) -> str:
    """Read a text of one line or more that is not empty."""
    if not isinstance(value, str):
        advice = "; write it in quotes" if isinstance(value, int | float) else ""
        raise ValueError(f"must be a text, not {shown(value)}{advice}")
    if not value.strip():
        raise ValueError("must not be empty")
    if len(value) > _LONGEST:
        raise ValueError(f"must have at most {_LONGEST} characters, not {len(value)}")
    return value


def flag(value: Any) -> bool:
    """Read true or false."""
    if not isinstance(value, bool):
        raise ValueError(f"must be true or false, not {shown(value)}")
    return value


def required_flag(value: Any) -> bool:
    """Read ``true``: false would read as a prohibition."""
    if flag(value) is not True:
        raise ValueError("must be true; leave the key out where it is not required")
    return True


def number(value: Any) -> float:
    """Read a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"must be a number, not {shown(value)}")
    if not math.isfinite(value):
        raise ValueError(f"must be a finite number, not {value}")
    return float(value)


def integer(least: int, most: int) -> Reader[int]:
    """Return the reader of an integer from *least* to *most*."""

    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError(f"must be an integer from {least} to {most}, not {shown(value)}")
        return value

    return read


def choice(*known: str) -> Reader[str]:
    """Return the reader of one of these words."""

    def read(value: Any) -> str:
        if not isinstance(value, str) or value not in known:
            near = suggestions.hint(suggestions.nearest(value, known) if isinstance(value, str) else None)
            words = " or ".join(known) if len(known) < 4 else f"one of {', '.join(known)}"
            raise ValueError(f"must be {words}, not {shown(value)}{near}")
        return value

    return read


def list_of(read: Reader[T], *, most: int = 100) -> Reader[tuple[T, ...]]:
    """Return the reader of a list of 1 to *most* distinct items."""

    def read_list(value: Any) -> tuple[T, ...]:
        if not isinstance(value, list):
            raise ValueError(f"must be a list, not {shown(value)}")
        if not 1 <= len(value) <= most:
            raise ValueError(f"must have 1 to {most} items, not {len(value)}")
        items: list[T] = []
        inner: list[tuple[str, str]] = []
        for index, item in enumerate(value):
            try:
                one = read(item)
            except ValueError as error:
                inner += [(f"[{index}]", str(error))]
                continue
            if one in items:
                inner += [(f"[{index}]", f"stands twice: {shown(item)}")]
            items.append(one)
        if inner:
            raise Misread(inner)
        return tuple(items)

    return read_list


def checked(problem: Callable[[str], str | None]) -> Reader[str]:
    """Return the reader of a text that the rule *problem* accepts."""

    def read(value: Any) -> str:
        if wrong := problem(text(value)):
            raise ValueError(f"{wrong}, not {shown(value)}")
        return str(value)

    return read


def shown(value: Any) -> str:
    """Return a value as an error text shows it."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return repr(value[:60])
    if isinstance(value, int | float):
        return number_text(value) if math.isfinite(value) else str(value)
    return "a mapping" if isinstance(value, Mapping) else "a list"
