"""The benchmark runs and measures; its figures are for people, and for quiet machines."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks import transfer
from tests.benchmarks.transfer import MIB


@pytest.mark.share(0)  # --every-variant runs the benchmark
@pytest.mark.parametrize("mib", [8, pytest.param(128, marks=pytest.mark.slow)])
def test_every_comparison_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str], mib: int) -> None:
    compared, measured = transfer.run(tmp_path, pairs=1, size=mib * MIB, files=20, memory=[mib * MIB])

    transfer.report(compared, measured)

    assert [found.name.split()[0] for found in compared] == [
        "upload",
        "download",
        "upload",
        "register",
        "download",
        "local",
    ]
    assert all(found.ours[0] > 0 and found.theirs[0] > 0 for found in compared)
    assert [use.name.split()[0] for use in measured] == ["upload", "download"]
    assert "boto3 upload_file + sha256" in capsys.readouterr().out
