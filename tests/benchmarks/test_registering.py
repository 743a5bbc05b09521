"""The benchmark runs and measures; its figures are for people, and for quiet machines."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks import registering


@pytest.mark.slow
def test_every_comparison_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compared = registering.run(tmp_path, rounds=3)

    registering.report(compared)

    assert [len(one.ours) for one in compared] == [3, 1, 3, 1, 3, 1]
    assert "register_model, client" in capsys.readouterr().out
