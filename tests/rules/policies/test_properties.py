"""What holds for all policies and all facts."""

from __future__ import annotations

import json
from typing import Any

import pytest
import rfc8785
from hypothesis import example, given, settings
from hypothesis import strategies as st

from registry.rules.policies import GateFacts, InvalidPolicy, Problem, evaluate, parse, weaker
from registry.rules.policies.canonical import digest, encoded
from tests.rules.policies.strategies import DOCUMENTS, FACTS, RULES
from tests.rules.policies.tables import FRAME, GOOD

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def verdicts(document: Any, facts: GateFacts) -> list[str]:
    """Return the verdicts without the places of their rules, sorted."""
    gates = evaluate(parse(document), "production", facts).to_document()
    return sorted(json.dumps({**gate, "rule": 0}, sort_keys=True) for gate in gates)


def problems_of(document: Any) -> tuple[Problem, ...] | None:
    try:
        evaluate(parse(document), "production", GOOD)
    except InvalidPolicy as error:
        return error.problems
    return None


@settings(max_examples=80, deadline=None)
@given(DOCUMENTS, RULES, FACTS, st.randoms(use_true_random=False))
def test_a_rule_more_turns_no_refusal_into_a_pass_and_order_changes_nothing(
    document: dict[str, Any], rule: dict[str, Any], facts: GateFacts, random: Any
) -> None:
    more = {**document, "production": [*document["production"], rule]}
    shuffled = {**more, "production": random.sample(more["production"], len(more["production"]))}

    before, after = (evaluate(parse(one), "production", facts) for one in (document, more))

    assert before.passed or not after.passed
    assert after.gates[: len(before.gates)] == before.gates
    assert verdicts(shuffled, facts) == verdicts(more, facts)


@settings(max_examples=100, deadline=None)
@given(DOCUMENTS, RULES, FACTS)
def test_a_policy_that_is_not_weaker_lets_nothing_pass_that_the_old_one_refuses(
    document: dict[str, Any], rule: dict[str, Any], facts: GateFacts
) -> None:
    old = parse(document)
    more = parse({**document, "production": [*document["production"], rule]})
    other = parse({**FRAME, "production": [rule]})

    assert weaker(old, old) == weaker(old, more) == weaker(None, old) == []
    assert weaker(old, None)
    for new in (old, other):
        if not weaker(new, old) and evaluate(old, "production", facts).passed:
            assert evaluate(new, "production", facts).passed
    if not weaker(old, other) and evaluate(other, "production", facts).passed:
        assert evaluate(old, "production", facts).passed


@settings(max_examples=30, deadline=None)
@given(FACTS, DOCUMENTS)
def test_facts_and_their_verdicts_are_the_same_after_json(facts: GateFacts, policy_document: dict[str, Any]) -> None:
    document = facts.to_document()

    again = GateFacts.from_document(json.loads(encoded(document)))

    assert again.to_document() == document  # not the facts: NaN is not itself
    policy = parse(policy_document)
    assert evaluate(policy, "production", again) == evaluate(policy, "production", facts)
    assert digest(again.to_document()) == digest(document)


@settings(max_examples=30, deadline=None)
@given(DOCUMENTS)
def test_a_policy_is_the_same_from_its_canonical_text(document: dict[str, Any]) -> None:
    policy = parse(document)

    again = parse(encoded(policy.document))

    assert (again, again.digest) == (policy, policy.digest)
    assert parse(json.dumps(document, indent=2)).digest == policy.digest


@settings(max_examples=100, deadline=None)
@given(JSON)
@example(1e21)
@example(1e-7)
@example(123456789012345680000.0)
@example({"\U0001f600": 1, "\ufb33": 2, "a": [5e-324, -0.0, 1.7976931348623157e308, "\x7f\u2028\x1f"]})
def test_the_canonical_form_is_that_of_rfc_8785(value: Any) -> None:
    try:
        expected = rfc8785.dumps(value).decode()
    except (rfc8785.CanonicalizationError, ValueError):
        expected = None
    try:
        form = encoded(value)
    except ValueError:
        form = None

    assert form == expected


@settings(max_examples=100, deadline=None)
@given(JSON | st.dictionaries(st.sampled_from(["policy", "groups", "checks", "production", "staging", "weakening",
                                               "protected_aliases", "description"]), JSON)
       | RULES.flatmap(lambda rule: st.fixed_dictionaries({}, optional=dict.fromkeys(rule, JSON)).map(
           lambda wrong: {**FRAME, "production": [{**rule, **wrong}]})))  # fmt: skip
def test_a_document_is_a_policy_or_has_mistakes_with_places(document: Any) -> None:
    problems = problems_of(document)

    assert problems is None or (problems and all(problem.message for problem in problems))


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="policy:1\n -{}[]'\"&*!|>?#,.0e+\\\t\x00\ud800", max_size=40) | st.text(max_size=20))
@example("[" * 20_000)
@example("{" * 20_000)
@example('{"a":' * 20_000)
@example("- " * 20_000)
@example("a: &x [1]\nb: *x")
@example("a: !!python/object/apply:os.system [ls]")
@example(f"policy: {'9' * 5000}")
@example('{"policy": ' + "9" * 5000 + "}")
@example('"\\uD800"')
def test_a_text_is_a_policy_or_has_mistakes(text: str) -> None:
    problems = problems_of(text)

    assert problems is None or problems


def test_facts_of_another_form_are_refused() -> None:
    document = GOOD.to_document()
    wrong = [
        {**document, "metrics": [{**document["metrics"][0], "value": "0.9"}]},
        {**document, "metrics": [{**document["metrics"][0], "value": True}]},
        {**document, "version": "3"},
        {**document, "newer": 4},
        {**document, "at": "2026-11-30T12:00:00"},
        {**document, "owners": []},
        {key: value for key, value in document.items() if key != "at"},
        {**document, "format": 2},
        [],
    ]

    for one in wrong:
        with pytest.raises(ValueError, match=r"must be|unknown|not complete|format"):
            GateFacts.from_document(one)
    assert GateFacts.from_document(document) == GOOD
