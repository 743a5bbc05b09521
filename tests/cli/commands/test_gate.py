"""registry gate: documents of policies."""

from __future__ import annotations

import json
import re

from registry.rules.policies import ApprovalFacts, OriginFacts, StagingFacts
from tests.cli.conftest import CommandLine, Place
from tests.docs.test_commands import exists
from tests.rules.policies.tables import Row, verdict

VALID = "policy: 1\nproduction:\n  - {rule: metric, metric: auc, at_least: 0.9, dataset: holdout}\n"
WRONG = """policy: 1
production:
  - rule: metric
    metric: auc
    at_leats: 0.9
  - {rule: approvals, from: [role:aprover]}
"""


def test_lint_shows_the_rules_of_a_document_or_every_mistake_with_its_line(run_cli: CommandLine, place: Place) -> None:
    (place.cwd / "valid.yaml").write_text(VALID)
    (place.cwd / "wrong.yaml").write_text(WRONG)
    (place.cwd / "latin.yaml").write_bytes(b"\xe9")

    valid, wrong, latin = (run_cli("gate", "lint", f"{name}.yaml") for name in ("valid", "wrong", "latin"))
    as_json = run_cli("gate", "lint", "wrong.yaml", "--json")

    assert valid.code == 0
    assert valid.out.splitlines()[1] == "  production[0]  auc >= 0.9 on holdout"
    assert wrong.code == as_json.code == latin.code == 2
    places = ["wrong.yaml:3: production[0]", "wrong.yaml:5: production[0].at_leats"]
    assert [line[: len(place)] for line, place in zip(wrong.out.splitlines(), places, strict=False)] == places
    assert "did you mean at_least?" in wrong.out
    assert "did you mean role:" in wrong.out
    assert [one["line"] for one in json.loads(as_json.out)["problems"]] == [3, 5, 6]
    assert latin.out == "latin.yaml: must be UTF-8\n"


def test_the_commands_in_remedies_exist() -> None:
    rows = [
        ("metric", {"metric": "auc", "at_least": 2, "dataset": "holdout", "slice": "a=b"}, {}),
        ("required", {"tags": ["x"], "description": True, "owner": True}, {"has_description": False, "model_tags": {}}),
        ("lineage", {"datasets": True}, {"lineage": OriginFacts()}),
        ("time_in_staging", {"at_least": "1h"}, {"staging": StagingFacts()}),
        ("licence", {"allowed": ["MIT"]}, {}),
        ("check", {"name": "bias"}, {}),
        ("approvals", {"from": ["ann"]}, {}),
        ("approvals", {"from": ["ann"]}, {"approvals": ApprovalFacts("12")}),
        ("not_superseded", {}, {"newer": (4,)}),
    ]
    remedies = [verdict(kind, Row(rule, facts, False)).remedy or "" for kind, rule, facts in rows]
    commands = [line for text in remedies for line in re.findall(r"registry [^;:,]*", text)]

    assert len(commands) >= len(rows)
    assert [line for line in commands if not exists(line)] == []
