"""What a verdict names: what would satisfy the rule, its input, and where that came from."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from registry.rules.policies import (
    ApprovalFacts,
    CheckFact,
    DecisionFact,
    FormatFact,
    OriginFacts,
    StagingFacts,
)
from tests.rules.policies.tables import AT, CODE, HOLDOUT, TRAIN, Row, metric, verdict


def test_a_refusal_says_what_to_do() -> None:
    outside = {"timezone": "UTC", "days": ["tue"], "from": "09:00"}
    rows = {
        "wait until tue 2026-12-01 09:00 UTC": ("time_window", Row(outside, {}, False)),
        "wait until mon 2026-11-30 13:30 UTC": ("time_window", Row(
            {"timezone": "UTC", "from": "09:00", "until": "13:30", "refuse": True}, {}, False)),
        "change the window of the policy": ("time_window", Row(
            {"timezone": "UTC", "from": "00:00", "refuse": True}, {}, False)),
        "make the move, which reads them": ("file_formats", Row(
            {}, {"files": (FormatFact("a", 1, "a" * 64, None, None),)}, False)),
        "save the model as a format without code": ("file_formats", Row(
            {}, {"files": tuple(FormatFact("a", 1, "a" * 64, name, None) for name in (None, "zstd"))}, False)),
        "wait for its end, then let ci-bias or role:writer report it": ("check", Row(
            {"name": "bias"}, {"checks": {"bias": CheckFact("7", "pending", "ci-bias", AT, ())}}, False)),
        "mend what it found, then": ("check", Row(
            {"name": "bias"}, {"checks": {"bias": CheckFact("7", "failed", "ci-bias", AT, ())}}, False)),
        "wait 1m": ("time_in_staging", Row({"at_least": "24h"},
                    {"staging": StagingFacts(AT - timedelta(hours=23, minutes=59, seconds=30))}, False)),
        "registry version measure fraud:3 auc=VALUE --data holdout --slice region=EU": (
            "metric", Row({"metric": "auc", "at_least": 1, "dataset": "holdout", "slice": "region=EU"}, {}, False)),
        "name one dataset in the rule": (
            "metric", Row({"metric": "auc", "at_least": 0.9},
                          {"metrics": (metric(1), metric(0, "train", TRAIN))}, False)),
        "wait 2m": ("time_in_staging", Row(
            {"at_least": "24h"}, {"staging": StagingFacts(AT - timedelta(hours=23, minutes=58))}, False)),
        "promote fraud:4 instead, or take it out": ("not_superseded", Row({}, {"newer": (4,)}, False)),
        "promote fraud:5 instead, or take each newer": ("not_superseded", Row({}, {"newer": (5, 4)}, False)),
        "registry tag set fraud:3 team=a or b": ("required", Row({"tags": {"team": ["a", "b"]}}, {}, False)),
        "registry tag set fraud:3 tier=VALUE": ("required", Row({"tags": ["tier"]}, {}, False)),
        "registry request open fraud:3 production": ("approvals", Row({"from": ["bo"]}, {}, False)),
        "1 more of bo must approve: registry request approve 12": (
            "approvals", Row({"from": ["bo"]}, {"approvals": ApprovalFacts("12")}, False)),
        "1 more of group:board must approve": ("approvals", Row({"from": ["group:board"], "count": 2}, {
            "approvals": ApprovalFacts("12", decisions=(DecisionFact("ann", "approved", AT),))}, False)),
        "registry check fraud:3 --name bias --status passed": ("check", Row({"name": "bias"}, {}, False)),
    }  # fmt: skip
    assert verdict("metric", Row({"metric": "auc", "at_least": 1}, {}, False)).remedy == (
        "record an evaluation with auc >= 1: registry version measure fraud:3 auc=VALUE"
    )
    one_dataset = Row({"metric": "auc", "at_least": 0.9}, {"metrics": (metric(0), metric(0.1, id=2))}, False)
    assert "name one dataset" not in (verdict("metric", one_dataset).remedy or "")
    for words, (kind, row) in rows.items():
        assert words in (verdict(kind, row).remedy or ""), verdict(kind, row)


def test_a_verdict_names_its_input_and_where_it_came_from() -> None:
    gate = verdict("metric", Row({"metric": "auc", "at_least": 0.9, "explanation": "ask #risk"}, {}, True))

    assert gate.input == [{"id": 1, "value": 0.93, "dataset": "holdout", "dataset_digest": HOLDOUT}]
    assert gate.source == "metric auc, dataset holdout, recorded 2026-11-29T12:00:01.000000Z by ci"
    assert (gate.description, gate.explanation) == ("auc >= 0.9", "ask #risk")
    codes = {"lineage": OriginFacts((), (CODE, replace(CODE, branch="x")))}
    refused = verdict("code", Row({"refs": ["main"]}, codes, False))
    assert [one["ref"] for one in refused.input] == ["refs/heads/x"]
    assert refused.reason == "built from https://github.com/org/fraud at 0a1b2c3d4e5f on refs/heads/x"
    assert len(verdict("code", Row({"repository": "https://github.com/org/fraud"}, codes, True)).input) == 2
    named = Row({"metric": "auc", "at_least": 0.9, "dataset": HOLDOUT, "slice": "a=b"}, {}, True)
    assert verdict("metric", named).description == "auc >= 0.9 on sha256:aaaaaaaaaaaa, slice a=b"
