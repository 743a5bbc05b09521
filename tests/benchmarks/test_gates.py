"""The benchmark of gates runs whole on a few promotions; its figures are for people, and for quiet machines."""

from __future__ import annotations

import pytest

from tests.benchmarks.gates import main


@pytest.mark.slow
def test_promotions_with_and_without_a_policy_are_compared(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--promotions", "2"])

    printed = capsys.readouterr().out
    assert "ms  guarded" in printed
    assert "times; the bound is 1.25" in printed
