"""Limits of the bytes that a registration brings itself, in base64; those of more or larger files are uploaded before.

One request has a bounded time and memory: the service writes each file to the store before it answers.
"""

from __future__ import annotations

MOST_BYTES = 1024 * 1024  # of all files together
MOST_FILES = 32


def are_few(sizes: list[int]) -> bool:
    """Return whether files of these *sizes*, in bytes, may be sent in a registration."""
    return len(sizes) <= MOST_FILES and sum(sizes) <= MOST_BYTES
