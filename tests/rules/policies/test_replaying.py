"""Replay of evaluations: what was decided, and on what, must be the same; its wording may be another one."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

from registry.rules.policies import GateFacts, canonical, evaluate, parse
from registry.rules.policies.replaying import differences

RECORDED = json.loads((Path(__file__).parent / "recorded" / "before_rewording.json").read_text())
"""Verdicts of all kinds, met and unmet, as an earlier build recorded them in its words.

Among the facts is the format of a file that earlier rules of formats recognised: it is not read again.
"""

MET, UNMET = RECORDED["evaluations"]
Alteration = Callable[[dict[str, Any]], object]


def replayed(evaluation: dict[str, Any], **changed: Any) -> list[str]:
    document = changed.pop("document", RECORDED["document"])
    return list(differences(document, **evaluation, target="production", policy=RECORDED["policy"], **changed))


def altered(evaluation: dict[str, Any], alter: Alteration, *, is_sealed: bool) -> list[str]:
    """Return the differences after an alteration; with *is_sealed* the digest is that of the altered content."""
    changed = deepcopy(evaluation)
    alter(changed)
    if is_sealed:
        changed["digest"] = canonical.digest({"facts": changed["facts"], "verdicts": changed["gates"]})
    return replayed(changed)


def test_an_evaluation_in_the_words_of_another_release_is_the_same() -> None:
    for evaluation in (MET, UNMET):
        now = evaluate(parse(RECORDED["document"]), "production", GateFacts.from_document(evaluation["facts"]))
        assert any(gate["reason"] != one.reason for gate, one in zip(evaluation["gates"], now.gates, strict=True))
        assert replayed(evaluation) == []
    for name in ("description", "reason", "remedy"):
        assert altered(UNMET, lambda one, name=name: one["gates"][0].update({name: "x"}), is_sealed=True) == []  # type: ignore[misc]


def test_what_was_decided_otherwise_is_found_though_its_digest_is_right() -> None:
    def gate(index: int, **members: Any) -> Alteration:
        return lambda one: one["gates"][index].update(members)

    def fact(**parts: Any) -> Alteration:
        return lambda one: one["facts"].update(parts)

    pickled = [{**MET["facts"]["files"][0], "format": "pickle", "executes_code": True}]
    rows: dict[str, Alteration] = {
        "rule 0: auc >= 0.9 on holdout passed: auc is 0.93 on holdout now, auc >= 0.9 on holdout failed": (
            gate(0, passed=False)),
        'input [{"dataset":"holdout","dataset_digest":"sha256:': gate(0, input=[]),
        'source "the manifest") now, size <= 500 MB passed: 500 MB in total (source "x") then': (
            gate(7, source="x")),
        'kind "not_superseded"': gate(11, kind="size"),
        "rule 2) now": gate(2, rule=3),
        "rule 12: mon 09:00-16:00 UTC passed: it is mon": lambda one: one["gates"].pop(),
        "rule 13: no verdict now": lambda one: one["gates"].append(one["gates"][0]),
        "rule 3: ": lambda one: one["gates"].reverse(),
        "rule 6: file formats": fact(files=pickled),
        "size <= 500 MB failed": fact(total_size=500_000_001),
    }  # fmt: skip
    for words, alter in rows.items():
        found = altered(MET, alter, is_sealed=True)
        assert any(words in text for text in found), (words, found)
        assert not any("audit entry" in text for text in found)


def test_what_was_altered_has_another_digest() -> None:
    rows: list[Alteration] = [
        lambda one: one["gates"][0].update(reason="auc is 0.99"),
        lambda one: one["gates"][0].update(explanation=None),
        lambda one: one["facts"].update(total_size=1),
    ]
    for alter in rows:
        assert any("the audit entry has sha256:" in text for text in altered(MET, alter, is_sealed=False))
    weaker = {**RECORDED["document"], "production": RECORDED["document"]["production"][1:]}
    assert "the policy has the digest sha256:" in replayed(MET, document=weaker)[0]
    (unread,) = altered(MET, lambda one: one["facts"].update(format=2), is_sealed=True)
    assert unread == "it cannot be read by this release: the facts have format 2; this release reads format 1"
