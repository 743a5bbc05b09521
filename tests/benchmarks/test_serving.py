"""The benchmark runs whole on a tiny catalogue; its figures are for people, and for quiet machines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.benchmarks.serving.__main__ import main
from tests.benchmarks.serving.calls import CALLS
from tests.benchmarks.serving.measuring import FLOORS


@pytest.mark.share(0)  # the calls are tested where they belong: --every-variant runs the benchmark
def test_every_call_is_answered_rightly_and_has_its_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = tmp_path / "rounds.json"

    main(["--only", "serving", "--versions", "100", "--concurrency", "2", "--rounds", "1", "--seconds", "0.02",
          "--without-mlflow", "--json", str(kept)])  # fmt: skip

    measured = {(one["call"], one["who"]) for one in json.loads(kept.read_text())["serving 100"]}
    assert measured == {
        (call.name, who)
        for call in CALLS
        for who in ("native", *(["face"] if call.rest else []), *(["floor"] if call.kind in FLOORS else []))
    }
    printed = capsys.readouterr().out
    assert "100 versions, 1 rounds" in printed
    assert all(f"  {call}  " in printed for call, _ in measured)


@pytest.mark.slow
def test_a_large_catalogue_and_a_hot_model_are_compared_with_a_small_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["--scale", "--versions", "100", "--scale-to", "200", "--hot", "20", "--rounds", "1", "--seconds", "0.02",
          "--calls", "get version", "search by tag"])  # fmt: skip

    printed = capsys.readouterr().out
    assert "100 versions and 200, with a model of 20" in printed
    assert "## get version, native" in printed
    assert "Index Scan using pk_tokens on tokens (actual" in printed
