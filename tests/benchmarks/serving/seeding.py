"""Files of SQL in parts, and words for what stands in braces in them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

_PART = re.compile(r"^-- (\w+)$", re.MULTILINE)
_WORD = re.compile(r"\{(\w+)\}")


def parts(name: str) -> dict[str, str]:
    """The statements of a file beside this one, by the name in the line of comment above them."""
    pieces = _PART.split(Path(__file__).with_name(name).read_text())[1:]
    return dict(zip(pieces[::2], pieces[1::2], strict=True))


def filled(statements: str, words: Mapping[str, object]) -> str:
    """*statements* with *words* in place. Raises KeyError for a word that is not given."""
    return _WORD.sub(lambda found: str(words[found[1]]), statements)
