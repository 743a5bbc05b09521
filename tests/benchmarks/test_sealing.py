"""The benchmark runs and measures; its figures are for people, and for quiet machines."""

from __future__ import annotations

import pytest

from tests.benchmarks.sealing.__main__ import main


@pytest.mark.slow
def test_every_part_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--versions", "100", "--connections", "2", "--rounds", "1", "--seconds", "1", "--rate", "50", "--log", "1000",
          "--offline", "100"])  # fmt: skip

    printed = capsys.readouterr().out
    for text in ("create model:", "entries/s committed", "a backlog is sealed", "a proof in a log", "verified offline"):
        assert text in printed
