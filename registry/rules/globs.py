"""Patterns of references: ``*`` is any text without ``/``, ``**`` any text, ``?`` one character but ``/``."""

from __future__ import annotations


def matches(pattern: str, text: str) -> bool:
    """Return whether *text* as a whole has the form of *pattern*, in a few operations on integers for each part."""
    places = dict.fromkeys({*text, "/"}, 0)  # bit n is set where the character number n is this one
    for place, character in enumerate(text):
        places[character] |= 1 << place
    every = (1 << len(text)) - 1
    within = every & ~places["/"]
    ends = 1  # bit n is set where the parts so far can take n characters
    for part in _wildcards_joined(pattern):
        if part == "*":  # the sum carries each bit to the end of its run, and one further
            ends |= ((ends & within) + within) ^ within
        elif part == "**":
            ends = (every << 1 | 1) & -(ends & -ends)
        else:
            ends = (ends & (within if part == "?" else places.get(part, 0))) << 1
    return bool(ends >> len(text) & 1)


def _wildcards_joined(pattern: str) -> list[str]:
    parts: list[str] = []
    for character in pattern:
        if character == "*" and parts[-1:] == ["*"]:
            parts[-1] = "**"
        elif not (character == "*" and parts[-1:] == ["**"]):
            parts.append(character)
    return parts
