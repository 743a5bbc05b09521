"""The benchmark runs whole on tiny catalogues; its figures are for people, and for quiet machines."""

from __future__ import annotations

import pytest

from tests.benchmarks.lineage.__main__ import main


@pytest.mark.slow
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_every_question_is_answered_rightly_and_has_its_plan(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--databases", database, "--versions", "1000", "2000", "--rounds", "2", "--nodes", "1000",
          "--dependants", "500"])  # fmt: skip

    printed = capsys.readouterr().out
    assert "impact of 40 digests, 0 unlike the closure" in printed
    for text in ("impact of a digest with 500 dependants", "search by metric, page 100", "lineage of depth 50, dense"):
        assert text in printed
    assert {"sqlite": "SEARCH lineage_edges", "postgresql": "Index Scan"}[database] in printed
