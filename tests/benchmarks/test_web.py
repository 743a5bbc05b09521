"""The benchmark runs and measures; its figures are for people, and for quiet machines."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks import web


@pytest.mark.slow
def test_every_page_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ratios = web.run(tmp_path, rounds=2, versions=60)

    web.report(ratios)

    assert {len(one.ours) for one in ratios} == {2}
    assert "poll that finds nothing new" in capsys.readouterr().out
