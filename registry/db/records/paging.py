"""Pages of lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list; ``next_after`` is the sort key of the last row, None on the last page.

    ``warnings`` explain values that are easy to misread.
    """

    items: Sequence[T]
    next_after: tuple[Any, ...] | None = None
    warnings: Sequence[str] = ()
