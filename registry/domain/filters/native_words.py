"""Words of a text in the native dialect, with their columns."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from registry.domain.errors import Invalid


class WordKind(Enum):
    """Kind of a word, in the words of an error."""

    KEY = "a key"
    KEYWORD = "a keyword"
    STRING = "a text"
    NUMBER = "a number"
    OPERATOR = "an operator"
    MARK = "a mark"
    END = "the end"


@dataclass(frozen=True, slots=True)
class Word:
    """``column`` counts from 1; ``value`` is what a text or a key in quotes means."""

    kind: WordKind
    text: str
    column: int
    value: str = ""

    def __str__(self) -> str:
        return "the end" if self.kind is WordKind.END else self.text


KEYWORDS = frozenset({"AND", "OR", "NOT", "IN", "LIKE", "ILIKE", "IS", "NULL", "ON", "ASC", "DESC"})
_WORD = re.compile(
    r"""
      (?P<space>\s++)
    | (?P<string>'(?:[^']|'')*+'|"(?:[^"]|"")*+")
    | (?P<number>[+-]?(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][+-]?\d++)?(?![\w.]))
    | (?P<key>[^\W\d]\w*+(?:\.(?:[\w./-]++|`[^`]*+`|"[^"]*+"))?+)
    | (?P<operator><=|>=|!=|[<>=])
    | (?P<mark>[(),])
    """,
    re.VERBOSE | re.ASCII,
)


def words(text: str, *, field: str) -> list[Word]:
    """Return the words of *text*, a last one that stands for its end among them. Raises Invalid for what is none."""
    tokens, rest = leading(text)
    if rest:
        raise wrong(field, len(text) - len(rest) + 1, _unreadable(rest[0]))
    return [*tokens, Word(WordKind.END, "", len(text) + 1)]


def leading(text: str) -> tuple[list[Word], str]:
    """Return the words that *text* begins with, and the rest, which is no word: empty if all of it could be read."""
    tokens = []
    position = 0
    while position < len(text) and (match := _WORD.match(text, position)) is not None:
        if match.lastgroup != "space":
            tokens.append(_word(match))
        position = match.end()
    return tokens, text[position:]


def wrong(field: str, column: int, text: str) -> Invalid:
    """Return a mistake at a column of the query argument *field*."""
    return Invalid.field(field, f"column {column}: {text}")


def _word(match: re.Match[str]) -> Word:
    text, column = match[0], match.start() + 1
    match match.lastgroup:
        case "string":
            quote = text[0]
            return Word(WordKind.STRING, text, column, text[1:-1].replace(quote * 2, quote))
        case "key" if text.upper() in KEYWORDS:
            return Word(WordKind.KEYWORD, text.upper(), column)
        case "key":
            return Word(WordKind.KEY, text, column)
        case "number":
            return Word(WordKind.NUMBER, text, column)
        case "operator":
            return Word(WordKind.OPERATOR, text, column)
    return Word(WordKind.MARK, text, column)


def _unreadable(character: str) -> str:
    if character in "'\"":
        return f"nothing closes the quote {character}"
    if character == "`":
        return "backticks stand around a key after its dot, as in tags.`any key`"
    return f"cannot read {character!r}; texts stand in quotes, other keys in backticks, as in tags.`any key`"
