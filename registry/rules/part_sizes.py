"""Sizes of the parts of a large object, as every S3-compatible server takes them.

Source of the limits: Amazon S3, "Multipart upload limits": 10,000 parts, 5 MiB to 5 GiB each but for the last, 5 TiB.
"""

from __future__ import annotations

from registry.rules.manifest import LARGEST_FILE

MIB = 1024 * 1024
MOST_PARTS = 10_000
MOST_SIGNED = 1_000  # addresses in one answer
LEAST_PART = 5 * MIB
LARGEST = LARGEST_FILE
# What a registry asks for unless it is set up otherwise: larger files go in parts, of this size.
SINGLE_PUT, PART = 64 * MIB, 16 * MIB


def part_size(size: int, preferred: int) -> int:
    """Return the bytes of each part but the last.

    They are *preferred*, or more whole MiB when 10,000 parts could not hold *size*.
    """
    needed = -(-size // MOST_PARTS)
    return preferred if needed <= preferred else -(-needed // MIB) * MIB


def part_count(size: int, part: int) -> int:
    """Return how many parts of *part* bytes an object of *size* bytes has; an empty one has one."""
    return max(1, -(-size // part))


def part_length(number: int, size: int, part: int) -> int:
    """Return the bytes of part *number*, counted from 1."""
    return min(part, size - (number - 1) * part)
