"""Patterns of references: ``*`` is any text without ``/``, ``**`` any text, ``?`` one character but ``/``."""

from __future__ import annotations


def matches(pattern: str, text: str) -> bool:
    """Return whether *text* as a whole has the form of *pattern*, in time of at most the product of their lengths."""
    parts = _wildcards_joined(pattern)
    ends = {0}  # how much of the text the parts so far can take
    for part in parts:
        if part in {"*", "**"}:
            grown = set()
            for start in ends:
                end = start
                grown.add(end)
                while end < len(text) and end + 1 not in grown and (part == "**" or text[end] != "/"):
                    end += 1
                    grown.add(end)
            ends = grown
        else:
            ends = {
                end + 1 for end in ends if end < len(text) and (text[end] == part or (part == "?" and text[end] != "/"))
            }
    return len(text) in ends


def _wildcards_joined(pattern: str) -> list[str]:
    parts: list[str] = []
    for character in pattern:
        if character == "*" and parts[-1:] == ["*"]:
            parts[-1] = "**"
        elif not (character == "*" and parts[-1:] == ["**"]):
            parts.append(character)
    return parts
