"""The health checks of the registry as sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from registry.services.monitoring.checks import Check

# The sentence of each check while it holds, and while it fails.
SENTENCES: Mapping[str, tuple[str, str]] = {
    "database": ("The database answers.", "The database does not answer."),
    "migrations": ("The schema of the database fits this release.", "No schema that fits this release was found."),
    "storage": ("The artifact store answers.", "The artifact store does not answer: no bytes can be read or written."),
    "secret_key": ("The secret key matches the database.", "The secret key does not match the database."),
    "identity": ("The artifact store belongs to this registry.", "The owner of the artifact store is not known."),
    "audit_log": ("The sealed log continues the published log.", "The sealed log is forked: no entry is sealed."),
    "privileges": ("The database role of the service was checked.", "The database role could not be checked."),
    "logs": ("Log lines are written.", "Log lines are lost."),
    "metrics": ("Metrics of all processes are counted.", "Metrics are incomplete."),
    "clock": ("The clock of the database is right.", "The clock is wrong: writes are refused."),
    "replica": ("The read replica is monitored.", "The read replica is not used."),
    "abilities": ("The features of the artifact store are known.", "The features of the artifact store are unknown."),
    "listing": ("The listing of the artifact store was checked.", "The artifact store cannot be listed."),
    "verification": ("No upload waits for long.", "Uploads wait for verification."),
    "versions": ("No version is pending for long.", "Versions are pending for too long."),
    "bytes": ("No stored file is known to be damaged.", "Stored files are damaged."),
    "jobs": ("No job is parked.", "Jobs are parked."),
}
# The sentence of a check that is a warning, where the sentence of one that holds would contradict its finding.
WARNINGS: Mapping[str, str] = {
    "audit_log": "The sealed log is not forked, but its newest entries are not covered by a published checkpoint.",
    "replica": "The read replica is not used.",
}
_QUIET = frozenset({"ok", ""})


@dataclass(frozen=True, slots=True)
class HealthLine:
    """A check as a sentence; ``state`` is good, warning or bad, ``detail`` the finding, ``fix`` the remedy."""

    name: str
    state: str
    sentence: str
    detail: str
    fix: str


def lines(checks: Mapping[str, Check]) -> Iterator[HealthLine]:
    """Yield the checks in sentences; one without a sentence is named."""
    for name, check in checks.items():
        holds, fails = SENTENCES.get(name, (f"Check {name}: holds.", f"Check {name}: fails."))
        state = "bad" if not check.ok else "warning" if check.fix else "good"
        detail = "" if check.detail in _QUIET else check.detail
        sentence = WARNINGS.get(name, holds) if state == "warning" else holds if check.ok else fails
        yield HealthLine(name, state, sentence, detail, check.fix)
