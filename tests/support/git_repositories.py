"""Git repositories of tests."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.support.processes import environment

AUTHOR = ("-c", "user.name=t", "-c", "user.email=t@example.org")


def run_git(top: Path, *arguments: str) -> str:
    """Run git in *top* and return what it printed."""
    done = subprocess.run(["git", "-C", str(top), *arguments], check=True, env=environment(), capture_output=True)
    return done.stdout.decode().strip()


def checkout(top: Path) -> Path:
    """Make *top* a repository with one commit, of what is in it, on the branch ``topic``."""
    run_git(top, "init", "-q", "-b", "topic")
    run_git(top, "add", ".")
    run_git(top, *AUTHOR, "commit", "-q", "--allow-empty", "-m", "x")
    return top
