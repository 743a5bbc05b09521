"""Values of MLflow's dialect: quoted texts, and lists of them."""

from __future__ import annotations

from registry.domain.errors import Invalid
from registry.domain.filters.mlflow_words import MlflowWord, MlflowWordKind, words
from registry.domain.filters.terms import MOST_VALUES

_NUMBERS = {MlflowWordKind.WHOLE, MlflowWordKind.FRACTION, MlflowWordKind.HEXADECIMAL}
_LIST = "While parsing a list in the query, expected "


def quoted(text: str) -> str:
    """Return the text between the quotes; there are no escapes."""
    for quote in "'\"":
        if len(text) >= 2 and text[0] == text[-1] == quote:
            return text[1:-1]
    raise _refusal(
        "Parameter value is either not quoted or unidentified quote types used for string value "
        f"{text}. Use either single or double quotes."
    )


def list_of_strings(text: str) -> tuple[str, ...]:
    """Return the members of a list in parentheses. Raises Invalid unless they are quoted texts, and some."""
    tokens = [word for word in words(text[1:-1]) if word.kind is not MlflowWordKind.SPACE]
    if not tokens:
        raise _refusal(f"{_LIST}a non-empty list of string values, but got empty list")
    members, commas = tokens[::2], tokens[1::2]
    if any(word.text != "," for word in commas) or any(word.text == "," for word in members):
        raise _refusal(f"{_LIST}a non-empty list of string values, but got ill-formed list.")
    if len(members) > MOST_VALUES:
        raise _refusal(f"a list has {len(members)} values; at most {MOST_VALUES} are allowed")
    if all(_is_text(word) for word in members):
        return tuple(quoted(word.text) for word in members)
    listing = ", ".join(_python_repr(word) for word in members)
    trailing = "," if len(members) == 1 else ""
    raise _refusal(
        f"{_LIST}string value, punctuation, or whitespace, but got different type in list: ({listing}{trailing})"
    )


def _is_text(word: MlflowWord) -> bool:
    return word.kind is MlflowWordKind.STRING or word.text[:1] == '"'


def _python_repr(word: MlflowWord) -> str:
    """Return the value as Python displays it."""
    if _is_text(word):
        return repr(quoted(word.text))
    if word.kind in _NUMBERS:
        try:
            return repr(int(word.text, 0) if word.kind is not MlflowWordKind.FRACTION else float(word.text))
        except ValueError:
            return word.text
    return word.text


def _refusal(text: str) -> Invalid:
    return Invalid(text, errors={"filter": [text]})
