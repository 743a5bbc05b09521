"""Numbers of bytes for people."""

from __future__ import annotations

import pytest

from registry.rules import units


@pytest.mark.parametrize(("count", "text"), [(0, "+0 B"), (5, "+5 B"), (-2048, "-2.0 KiB"), (-176349, "-172.2 KiB")])
def test_a_difference_has_its_sign_and_a_unit(count: int, text: str) -> None:
    assert units.size_difference(count) == text
