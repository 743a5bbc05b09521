"""Split a text of MLflow's dialect into words, as the SQL parser does that MLflow uses.

Every pattern is possessive or a plain scan: the time taken grows with the length of the text and no faster.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto


class MlflowWordKind(Enum):
    SPACE = auto()
    NAME = auto()  # a bare word, or anything in backticks or double quotes
    KEYWORD = auto()
    STRING = auto()
    WHOLE = auto()
    FRACTION = auto()
    HEXADECIMAL = auto()
    PLACEHOLDER = auto()
    COMPARISON = auto()
    ARITHMETIC = auto()
    PUNCTUATION = auto()
    OTHER = auto()


@dataclass(frozen=True, slots=True)
class MlflowWord:
    kind: MlflowWordKind
    text: str

    def is_keyword(self, *names: str) -> bool:
        return self.kind is MlflowWordKind.KEYWORD and self.text.upper() in names


# Those of SQL's many that people write here: each is no key, hence no comparison.
KEYWORDS = frozenset({
    "ALIAS", "ALL", "AND", "ANY", "AS", "ASC", "BETWEEN", "BY", "CASE", "COMMENT", "CURRENT", "DELETE", "DESC",
    "DISTINCT", "DROP", "END", "EXISTS", "FALSE", "FROM", "GROUP", "HAVING", "IF", "IN", "INSERT", "IS", "JOIN", "KEY",
    "LIMIT", "LOCATION", "NOT", "NULL", "OFFSET", "ON", "OR", "ORDER", "OWNER", "PATH", "SELECT", "SET", "SIZE",
    "SOURCE", "TABLE", "TRUE", "TYPE", "UNION", "UPDATE", "USER", "USING", "VALUES", "VERSION", "WHERE",
})  # fmt: skip
_FLAGS = re.IGNORECASE
# In the order of precedence. A pattern in quotes only finds where a quoted word begins: _quoted says where it ends.
_PATTERNS = [
    (re.compile(r"(?:--|# )[^\r\n]*+(?:\r\n|\r|\n|$)"), MlflowWordKind.OTHER),
    (re.compile(r"\s++"), MlflowWordKind.SPACE),
    (re.compile(r":=|::"), MlflowWordKind.OTHER),
    (re.compile(r"\*"), MlflowWordKind.ARITHMETIC),
    (re.compile(r"\?|%(?:\(\w++\))?s|(?<!\w)[$:]\w++", _FLAGS), MlflowWordKind.PLACEHOLDER),
    (re.compile(r"-?0x[\dA-F]++", _FLAGS), MlflowWordKind.HEXADECIMAL),
    (re.compile(r"-?\d++(?:\.\d++)?E-?\d++", _FLAGS), MlflowWordKind.FRACTION),
    (re.compile(r"-?(?:\d++\.\d*+|\.\d++)(?![_A-ZÀ-Ü])", _FLAGS), MlflowWordKind.FRACTION),
    (re.compile(r"-?\d++(?![_A-ZÀ-Ü])", _FLAGS), MlflowWordKind.WHOLE),
    (re.compile(r"(?:NOT\s++NULL|(?:ORDER|GROUP)\s++BY)\b", _FLAGS), MlflowWordKind.KEYWORD),
    (re.compile(r"(?:NOT\s++)?(?:R?LIKE|ILIKE|REGEXP)\b", _FLAGS), MlflowWordKind.COMPARISON),
    (re.compile(r"\w[$#\w]*+"), MlflowWordKind.NAME),
    (re.compile(r"[;:()\[\],.]"), MlflowWordKind.PUNCTUATION),
    (re.compile(r"[<>=~!]++"), MlflowWordKind.COMPARISON),
    (re.compile(r"[+/@#%^&|-]++"), MlflowWordKind.ARITHMETIC),
]
_MEMBER = re.compile(r"\s*+\.(?!\d)")
_QUOTES = {"'": MlflowWordKind.STRING, '"': MlflowWordKind.NAME, "`": MlflowWordKind.NAME}


def words(text: str) -> Iterator[MlflowWord]:
    """Yield the words of *text*, blanks among them; joined they are the text."""
    position, before = 0, ""
    while position < len(text):
        word = _next(text, position, after_dot=before == ".")
        yield word
        position, before = position + len(word.text), word.text


def _next(text: str, position: int, *, after_dot: bool) -> MlflowWord:
    if (kind := _QUOTES.get(text[position])) and (end := _quoted(text, position)):
        return MlflowWord(kind, text[position:end])
    for pattern, kind in _PATTERNS:
        if match := pattern.match(text, position):
            if kind is MlflowWordKind.NAME and not after_dot and _reserved(text, match):
                return MlflowWord(MlflowWordKind.KEYWORD, match[0])
            return MlflowWord(kind, match[0])
    return MlflowWord(MlflowWordKind.OTHER, text[position])


def _reserved(text: str, match: re.Match[str]) -> bool:
    """Return whether the word is a keyword: not so in front of a dot."""
    return match[0].upper() in KEYWORDS and not _MEMBER.match(text, match.end())


def _quoted(text: str, start: int) -> int | None:
    """Return where the quoted word ends; None if nothing closes it.

    A doubled quote, or one after a backslash, does not close it: unless nothing after it does.
    """
    quote, last = text[start], None
    position = start + 1
    while (end := text.find(quote, position)) >= 0:
        if quote != "`" and text[end - 1] == "\\" and end - 1 >= position:
            last, position = end + 1, end + 1
        elif text.startswith(quote, end + 1):
            last, position = end + 1, end + 2
        else:
            return end + 1
    return last
