"""Numbers with units, for people."""

from __future__ import annotations


def size(count: int) -> str:
    """Return a number of bytes with a unit."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


def size_difference(count: int) -> str:
    """Return a difference in bytes with its sign and a unit."""
    return f"{'-' if count < 0 else '+'}{size(abs(count))}"
