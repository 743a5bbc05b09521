"""What the pages say of the repository: its test command, the example's pins, the manifest of its root."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

from tests.docs.pages import ROOT

README = (ROOT / "README.md").read_text()


def test_the_readmes_test_command_is_what_ci_runs() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    pattern = re.search(r"sed -n 's/\^\\\((?P<pattern>.*)\\\)\$/", script)
    assert pattern is not None

    commands = [line for line in README.splitlines() if re.fullmatch(pattern["pattern"], line)]

    assert len(commands) == 1


def test_the_example_is_tested_with_the_versions_that_it_pins() -> None:
    pinned = {line for line in (ROOT / "deploy/examples/requirements.txt").read_text().splitlines() if "==" in line}
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]

    assert pinned <= set(groups["dev"])


def test_the_manifest_of_the_root_is_what_was_agreed() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    top = {Path(name).parts[0] for name in tracked}

    assert {name for name in top if not name.startswith(".")} <= {
        "pyproject.toml", "README.md", "registry", "migrations", "deploy", "tests", "Dockerfile",
        "uv.lock", "LICENSE", "CHANGELOG.md",
    }  # fmt: skip
