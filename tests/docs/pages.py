"""The pages of the documentation, and the blocks of code on them.

A block ``sh`` or ``python`` is run by a test; a block ``console`` is not, because it names hosts that do not exist. A
block ``text`` is the output of the block above it.
"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "deploy" / "docs"
PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    *sorted(path for place in ("deploy", "tests") for path in (ROOT / place).rglob("*.md")),
]
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path, *languages: str, section: str = "") -> list[str]:
    """Return the code blocks of *page*, or of one section of it, that are in one of the *languages*, in their order."""
    text = page.read_text()
    if section:
        text = text.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    return [block for language, block in _BLOCK.findall(text) if language in languages]


def missing(expected: str, output: str) -> list[str]:
    """Return the lines of the block *expected* that *output* does not have; ``…`` is any text, a space any spaces."""
    return [line for line in expected.splitlines() if not re.search(_pattern(line.strip()), output, re.MULTILINE)]


def _pattern(line: str) -> str:
    return "^.*" + ".*".join(r" +".join(map(re.escape, re.split(" +", part))) for part in line.split("…"))
