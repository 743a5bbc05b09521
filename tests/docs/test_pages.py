"""Every page: its links lead somewhere, its blocks are run, and the pages that the code names exist."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, PAGES, ROOT, blocks, name

# Which test runs the blocks of a page.
RUN_BY = {
    "README.md": "tests/docs/test_tutorial.py",
    "deploy/docs/tutorial.md": "tests/docs/test_tutorial.py",
    "deploy/docs/search.md": "tests/docs/test_tutorial.py",
    "deploy/docs/audit.md": "tests/docs/test_tutorial.py",
    "deploy/docs/ci.md": "tests/docs/test_ci_page.py",
    "deploy/docs/guarded-promotions.md": "tests/cli/test_flow_guarded_promotions.py",
    "deploy/docs/python.md": "tests/cli/test_flow_python.py",
}
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.MULTILINE | re.DOTALL)
_PATH = re.compile(r"`((?:registry|tests|migrations|deploy)/[\w/-][\w./-]*)`")
_MODULE = re.compile(r"(?:``|:\w+:`~?)([a-z_]+(?:\.\w+)+)`")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_between_pages_lead_to_files_and_headings(page: Path) -> None:
    links = [link for link in _LINK.findall(_CODE.sub("", page.read_text())) if "://" not in link]

    broken = [link for link in links if not leads_somewhere(page, link)]

    assert broken == []


def test_blocks_that_can_be_run_are_run() -> None:
    runnable = {name(page) for page in PAGES if blocks(page, "sh", "python")}

    assert runnable == RUN_BY.keys()
    assert [test for page, test in RUN_BY.items() if Path(page).name not in (ROOT / test).read_text()] == []


def test_every_page_is_in_the_table_of_contents() -> None:
    contents = (DOCS / "README.md").read_text()
    linked = {(DOCS / link.partition("#")[0]).resolve() for link in _LINK.findall(contents)}

    assert [page.name for page in PAGES if page not in linked | {DOCS / "README.md", ROOT / "CHANGELOG.md"}] == []


def test_pages_that_the_code_names_exist() -> None:
    lines = subprocess.run(
        ["git", "grep", "-hoE", r"deploy/[a-z/]+\.md", "--", "registry", "tests", "deploy", "migrations"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip

    assert lines
    assert [page for page in sorted(set(lines)) if not (ROOT / page).exists()] == []


def test_files_that_the_pages_name_exist() -> None:
    named = {path for page in PAGES for path in _PATH.findall(page.read_text())}

    assert named
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_modules_that_the_docstrings_name_exist() -> None:
    sources = {path: path.read_text() for path in (ROOT / "registry").rglob("*.py")}
    rooms = {path.name for path in (ROOT / "registry").iterdir() if path.is_dir()}
    names = {name for text in sources.values() for name in _MODULE.findall(text) if name.split(".")[0] in rooms}

    assert names
    assert [name for name in sorted(names) if not defines(name, sources)] == []


def defines(name: str, sources: Mapping[Path, str]) -> bool:
    """Whether *name*, below the package, is a module, or has a part that its module names."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        path = ROOT.joinpath("registry", *parts[:count])
        text = sources.get(path.with_suffix(".py"), sources.get(path / "__init__.py"))
        if text is not None:
            return count == len(parts) or re.search(rf"\b{parts[count]}\b", text) is not None
    return False


def test_the_readme_can_be_read_in_a_few_minutes() -> None:
    assert len((ROOT / "README.md").read_text().split()) <= 900


def leads_somewhere(page: Path, link: str) -> bool:
    path, _, fragment = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.is_relative_to(ROOT) or not target.exists():
        return False
    return not fragment or (target.suffix == ".md" and fragment in anchors(target))


def anchors(page: Path) -> set[str]:
    """Return the fragments of the headings of *page*, as GitHub and GitLab make them."""
    headings = _HEADING.findall(re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
