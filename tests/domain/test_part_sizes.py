"""How a large object is cut: any size fits, every part is within the limits, together they are the whole."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from registry.rules import part_sizes
from registry.rules.part_sizes import LARGEST, LEAST_PART, MIB, MOST_PARTS

SIZES = st.integers(1, LARGEST)
WANTED = st.integers(LEAST_PART, 1024 * MIB)
MOST_PART = 5 * 1024 * MIB


@given(SIZES, WANTED)
def test_no_object_has_more_parts_than_a_store_takes(size: int, wanted: int) -> None:
    part = part_sizes.part_size(size, wanted)

    assert wanted <= part <= MOST_PART
    assert 1 <= part_sizes.part_count(size, part) <= MOST_PARTS


@given(SIZES, WANTED)
def test_parts_are_no_larger_than_they_have_to_be(size: int, wanted: int) -> None:
    part = part_sizes.part_size(size, wanted)

    assert part == wanted or part_sizes.part_count(size, part - MIB) > MOST_PARTS


@given(st.integers(1, 200), st.integers(1, 50))
def test_the_parts_make_up_the_whole(size: int, part: int) -> None:
    count = part_sizes.part_count(size, part)

    lengths = [part_sizes.part_length(number, size, part) for number in range(1, count + 1)]

    assert sum(lengths) == size
    assert lengths[:-1] == [part] * (count - 1)
    assert 0 < lengths[-1] <= part


def test_the_largest_object_fits_exactly() -> None:
    part = part_sizes.part_size(LARGEST, 16 * MIB)

    assert part == 525 * MIB
    assert part_sizes.part_count(LARGEST, part) == 9987
