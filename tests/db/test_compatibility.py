"""Which releases work on a schema, from what its migrations promise."""

from __future__ import annotations

import pytest

from registry.db.compatibility import Step, compatible

# Newest first, as they are walked: a revision, and the oldest whose release works on what it makes.
CASES = {
    "expanding all the way": ([("3", "2"), ("2", "1"), ("1", "1")], ["3", "2"]),
    "promises that reach back far": ([("3", "1"), ("2", "1"), ("1", "1")], ["3", "2", "1"]),
    "one in the middle contracts": ([("4", "1"), ("3", "3"), ("2", "1"), ("1", "1")], ["4", "3"]),
    "the newest contracts": ([("3", "3"), ("2", "1"), ("1", "1")], ["3"]),
    "the one before reaches less far": ([("4", "1"), ("3", "2"), ("2", "1"), ("1", "1")], ["4", "3", "2"]),
    "only the first": ([("1", "1")], ["1"]),
}


@pytest.mark.parametrize("case", CASES)
def test_a_release_is_compatible_when_every_later_migration_declares_it(case: str) -> None:
    steps, works = CASES[case]

    assert compatible([Step(*step) for step in steps]) == works
