"""The health checks as sentences: a warning has no sentence that contradicts its finding."""

from __future__ import annotations

from registry.services.monitoring.checks import Check
from registry.web.text import health_words


def test_a_warning_about_the_sealed_log_names_what_is_missing() -> None:
    checks = [Check(True, "3 entries are sealed"), Check(True, "no checkpoint", "start a worker"), Check(False, "fork")]
    found = [next(health_words.lines({"audit_log": check})) for check in checks]
    assert [(line.state, line.sentence) for line in found] == [
        ("good", "The sealed log continues the published log."),
        ("warning", "The sealed log is not forked, but its newest entries are not covered by a published checkpoint."),
        ("bad", "The sealed log is forked: no entry is sealed."),
    ]
