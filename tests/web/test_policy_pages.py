"""Policies in the pages: set with their mistakes by place, and what they refuse with every verdict."""

from __future__ import annotations

from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.rules.policies import parse
from registry.web.text import policy_text
from tests.support.pages import Seen, browse, submit
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect

OWN, SET, REMOVE = "/models/fraud/policy", "/models/fraud/policy/set", "/models/fraud/policy/remove"
DOCUMENT = """\
policy: 1
description: agreed with risk
groups: {risk-board: [ann, bo]}
checks: {bias: {reporters: [group:risk-board]}}
protected_aliases: [champion]
production:
  - rule: metric
    metric: auc
    at_least: 0.9
    explanation: ask risk
  - rule: check
    name: bias
"""


def test_a_policy_is_set_with_its_mistakes_shown_and_kept_in_the_history(
    visitor: FlaskClient, site: RegistryBuilder
) -> None:
    site.model("fraud").version("staging")
    nothing, opened = browse(visitor, OWN), browse(visitor, SET)
    wrong = {"document": DOCUMENT.replace("at_least: 0.9", "at_leest: 0.9"), "reason": "agreed"}

    refused = Seen(submit(visitor, SET, wrong, status=422))
    submit(visitor, SET, {"document": DOCUMENT, "reason": "agreed"}, seen=refused)
    shown = browse(visitor, OWN)
    late = Seen(submit(visitor, SET, {"document": DOCUMENT, "reason": "again"}, seen=opened))
    stale = Seen(submit(visitor, REMOVE, {"reason": "x", "row_version": "99"}, status=412))
    submit(visitor, REMOVE, {"reason": "too strict"}, seen=stale)
    removed = browse(visitor, OWN)

    assert "No policy guards fraud" in nothing.text
    assert "The document has 2 mistakes." in refused.text
    assert "production[0].at_leest unknown key; did you mean at_least? (line 9)" in refused.text
    assert refused.text.count("did you mean at_least?") == 1
    assert refused.one("textarea", name="document").get("aria-invalid") == "true"
    assert "at_leest" in "".join(refused.one("textarea", name="document").itertext())
    assert "Set just now by local-dev: “agreed”." in shown.text
    for words in ("auc >= 0.9", "ask risk", "ann, bo", "reported by group:risk-board", "@champion"):
        assert words in shown.text
    assert late.response.headers["Location"] == OWN
    assert "Refused: the resource has changed since you opened it." in stale.text
    assert [row.get("class") for row in removed.all("th", scope="row")] == ["num", "num"]
    assert "too strict" in removed.text
    digest = parse(DOCUMENT).digest
    assert "auc >= 0.9" in browse(visitor, f"/policies/{digest}").text


def test_a_move_that_a_policy_refuses_shows_every_verdict(visitor: FlaskClient, site: RegistryBuilder) -> None:
    site.model("fraud").version("staging", metrics={"auc": 0.95})
    move = "/models/fraud/versions/1/stage"
    opened = browse(visitor, move)
    expect(200, site.client.put(OWN, {"document": DOCUMENT, "reason": "agreed"}))

    refused = Seen(submit(visitor, move, {"to": "production", "reason": "now"}, status=409, seen=opened))

    assert refused.text.startswith("Move fraud:1 Refused: gates are not met.")
    verdicts = ["".join(cell.itertext()).strip() for cell in refused.all("span") if "badge" in cell.get("class", "")]
    assert verdicts[:2] == ["met", "not met"]
    assert "auc >= 0.9" in refused.text
    assert site.model("fraud").stages() == {1: "staging"}


@settings(max_examples=30)
@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=20).filter(str.strip))
def test_a_document_as_yaml_is_read_as_the_same_document(text: str) -> None:
    document = {"policy": 1, "description": text, "production": [{"rule": "required", "tags": {"team": text}}]}

    assert parse(document).digest == parse(policy_text.as_yaml(document)).digest


def test_gates_are_shown_now_and_as_they_were_with_the_replay(visitor: FlaskClient, site: RegistryBuilder) -> None:
    document = DOCUMENT.replace("production:", "staging:\n  - rule: required\n    description: true\nproduction:")
    site.create_model("fraud")
    expect(200, site.client.put(OWN, {"document": document, "reason": "agreed"}))
    site.model("fraud").version("staging", description="Scores cards.", metrics={"auc": 0.95})
    version = "/models/fraud/versions/1"

    gates = browse(visitor, f"{version}/gates")
    (moved,) = [link for link in gates.links if f"{version}/gates/history/" in link]
    past = browse(visitor, moved)
    options = browse(visitor, f"{version}/stage")
    expect(200, site.client.put(OWN, {"document": DOCUMENT, "reason": "staging is free"}))
    expect(201, site.client.post("/holds", {"kind": "version", "target": "fraud:1", "reason": "audit"}))
    held = browse(visitor, f"{version}/gates")
    site.model("fraud").version("staging")
    (free,) = [link for link in browse(visitor, "/models/fraud/versions/2/gates").links if "/gates/history/" in link]
    unguarded = browse(visitor, free)

    assert "1 of 2 rules is not met" in gates.text
    assert "Every rule is met" in gates.text
    assert "Evaluated again now on the stored facts, the rules have the same outcomes" in past.text
    assert "To enter production held Hold 1 keeps the version out of production, whatever the rules say." in held.text
    assert "the policy has no rules for staging" in held.text.lower()
    assert "The policy in force then had no rules for staging: no rule was evaluated." in unguarded.text
    assert "bias" in options.text
    assert [one.get("value") for one in options.all("input", type="radio")] == ["none", "archived"]
