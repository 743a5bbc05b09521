"""Texts of comparisons: sections, facts, and reasons for missing values."""

from __future__ import annotations

from types import MappingProxyType

from registry.domain.comparison import Absence, CellKind, Change, Delta
from registry.rules import units

SECTIONS = MappingProxyType({
    "registration": "Registered", "stage": "Stage", "metrics": "Metrics", "params": "Parameters",
    "datasets": "Datasets", "code": "Code", "environment": "Environment", "run": "Run", "parents": "Derived from",
    "content": "Content", "files": "Files", "signature": "Signature", "tags": "Tags", "about": "Description",
})  # fmt: skip
FACTS = MappingProxyType({
    "created_at": "time", "created_by": "by", "rolled_back": "rolled back", "repo": "repository",
    "dirty": "uncommitted", "lock_digest": "lock file", "image_digest": "image", "triggered_by": "started by",
    "started_at": "started", "finished_at": "finished", "manifest_digest": "manifest", "file_count": "files",
    "id": "run", "url": "address",
})  # fmt: skip
# Sections whose facts have names of the registry's own, not of the users'.
FIXED = frozenset({"registration", "stage", "code", "environment", "run", "content", "about"})
ABSENCES = MappingProxyType({
    Absence.ABSENT: "absent",
    Absence.NOT_RECORDED: "not recorded",
    Absence.UNKNOWN: "unknown",
    Absence.DELETED: "deleted",
})  # fmt: skip
SIGNS = MappingProxyType(
    {Change.SAME: "", Change.CHANGED: "≠", Change.ADDED: "+", Change.REMOVED: "−", Change.UNDECIDED: "?"}
)
# Why the lines of a file are not shown.
FILES = MappingProxyType({
    "same": "The file is the same in both versions.",
    "binary": "The file is not text; its lines cannot be compared.",
    "large": "The file has more than 64 KiB; its lines are not compared here. Download both to compare them.",
    "repetitive": "The lines of the file repeat too often to be compared here. Download both to compare them.",
})  # fmt: skip


def fact_name(section: str, name: str) -> str:
    """Return the words for a fact."""
    return FACTS.get(name, name) if section in FIXED else name


def difference(delta: Delta, kind: str) -> str:
    """Return a difference of numbers as ``−0.0023 (−0.3 %)``, and of sizes as ``−12.0 KiB (−0.3 %)``."""
    percent = "" if delta.percent is None else f" ({_percent(delta.percent)} %)"
    absolute = units.size_difference(int(delta.absolute)) if kind == CellKind.SIZE else f"{delta.absolute:+.4g}"
    return f"{absolute}{percent}".replace("-", "−")


def _percent(value: float) -> str:
    """Return a percentage with one decimal; one that would be 0.0 with its first digit."""
    return f"{value:+.1f}" if not value or abs(value) >= 0.05 else f"{value:+.1g}"
