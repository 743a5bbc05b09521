"""Addresses of commits at the hosts of repositories."""

from __future__ import annotations

import pytest

from registry.rules.repository_addresses import commit_at, commits_between

FIRST, LAST = "0ade7c2c" * 5, "17ba0791" * 5
DOTS = f"{FIRST}...{LAST}"
AZURE = "https://dev.azure.com/org/project/_git/repo"


@pytest.mark.parametrize(
    ("repository", "commit", "between"),
    [
        ("https://github.com/a/b", "https://github.com/a/b/commit/", f"https://github.com/a/b/compare/{DOTS}"),
        ("https://github.com/a/b.git?x=1#y", "https://github.com/a/b/commit/", f"https://github.com/a/b/compare/{DOTS}"),
        ("https://gitlab.x.org:8443/g/s/p/", "https://gitlab.x.org:8443/g/s/p/-/commit/",
         f"https://gitlab.x.org:8443/g/s/p/-/compare/{DOTS}"),
        ("https://codeberg.org/a/b", "https://codeberg.org/a/b/commit/", f"https://codeberg.org/a/b/compare/{DOTS}"),
        ("http://gitea.x.org/a/b", "http://gitea.x.org/a/b/commit/", f"http://gitea.x.org/a/b/compare/{DOTS}"),
        ("https://bitbucket.org/a/b", "https://bitbucket.org/a/b/commits/",
         f"https://bitbucket.org/a/b/branches/compare/{LAST}..{FIRST}"),
        ("https://org@dev.azure.com/org/project/_git/repo", f"{AZURE}/commit/",
         f"{AZURE}/branchCompare?baseVersion=GC{FIRST}&targetVersion=GC{LAST}"),
        *((text, None, None) for text in (
            "https://user@github.com/a/b", "https://evil.test/a/b", "https://github/a/b", "javascript:alert(1)",
            "git@github.com:a/b.git", "https://github.com/a/../../b<", "https://github.com:x/a/b", "https://[/a/b",
            None,
        )),
    ],
)  # fmt: skip
def test_commits_have_addresses_at_known_hosts_only(
    repository: str | None, commit: str | None, between: str | None
) -> None:
    assert commit_at(repository, LAST) == (commit and f"{commit}{LAST}")
    assert commits_between(repository, FIRST, LAST) == between
    assert commits_between(repository, FIRST, "main;x") is commit_at(repository, None) is None
