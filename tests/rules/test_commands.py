"""Commands that may be recorded with a version."""

from __future__ import annotations

import pytest

from registry.rules import commands

GITHUB = "ghp_" + "a1B2" * 9


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("python train.py --lr 0.1 --out 'a b'", None),
        ("curl https://h:8080/a@b && DATA=s3://bucket/x make", None),
        ("python train.py\t--tab ü", None),
        (f"GITHUB_TOKEN={GITHUB} make", "must not hold a token of GitHub"),
        ("pip install --index-url https://me:pw@h/simple fraud", "must not hold an address with a password"),
        ("make\nrm -rf /", "must be one line"),
        ("make \x1b[2K", "must be one line"),
        (" ", "must not be blank"),
    ],
)
def test_a_command_is_one_line_without_credentials(command: str, problem: str | None) -> None:
    found = commands.problem(command)

    assert found is None if problem is None else (found or "").startswith(problem)
