"""Characters that text meant for people and for file systems must not hold."""

from __future__ import annotations

import re
import unicodedata

# Cc control, Cf format (bidi and zero-width), Cs surrogate, Co private, Cn unassigned, Zl and Zp separators.
_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Of those, what can repaint a terminal, end a line, or hide text.
_OBEYED = _UNPRINTABLE - {"Co", "Cn"}
# Characters without ink in other categories: joiners, fillers, inherent vowels, variation selectors, blank Braille.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)

_SURROGATE = re.compile("[\ud800-\udfff]")


def unprintable_problem(text: str) -> str | None:
    """Return the sentence that names the first control, invisible or unassigned character of *text*, or None."""
    if text.isprintable() and (text.isascii() or not _INVISIBLE.search(text)):
        return None
    refused = {character for character in set(text) if _is_refused(character)}
    if not refused:
        return None
    first = min(refused, key=text.index)
    return f"must not contain U+{ord(first):04X}: control, invisible and unassigned characters are refused"


def is_storable(text: str) -> bool:
    """Return whether both databases can hold *text*: PostgreSQL takes neither NUL nor a lone surrogate."""
    return "\x00" not in text and (text.isascii() or not _SURROGATE.search(text))


def _is_refused(character: str) -> bool:
    return unicodedata.category(character) in _UNPRINTABLE or _INVISIBLE.match(character) is not None


def escape(text: str) -> str:
    """Return *text* with every character that a terminal might obey, or that hides text on it, as ``\\uXXXX``."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(f"\\u{ord(character):04x}" if _is_obeyed(character) else character for character in text)


def _is_obeyed(character: str) -> bool:
    return unicodedata.category(character) in _OBEYED
