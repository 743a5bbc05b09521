"""Profiles: facts in the order of a text's clauses, nothing that was not recorded, and a gap where nothing was."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from registry.domain import canonical_json
from registry.domain.evidence.facts import EvidenceFacts, VersionFact, document
from registry.domain.evidence.kinds import FactKind
from registry.domain.evidence.ordered import COLUMNS, OrderedProfile, as_json, as_rows, order
from registry.domain.evidence.profiles import PROFILES, Profile
from registry.domain.evidence.statement import LONGEST
from registry.domain.evidence.statements import MOST, collect
from tests.support.evidence_facts import HOSTILE, MemoryFacts, act, model_fact, poor, rich, version_fact

GOLDEN = Path(__file__).parent / "golden"
EVERY = pytest.mark.parametrize("profile", PROFILES.values(), ids=list(PROFILES))


def ordered(profile: Profile, facts: EvidenceFacts) -> OrderedProfile:
    return order(profile, collect(facts), query=facts.query, sealed=facts.sealed)


def read(profile: Profile, facts: EvidenceFacts) -> Any:
    return json.loads(as_json(ordered(profile, facts)))


def statuses(content: Any) -> dict[str, str]:
    return {clause["clause"]: clause["status"] for clause in content["clauses"]}


@EVERY
def test_every_clause_has_facts_or_is_a_gap_and_states_what_to_add(profile: Profile) -> None:
    for facts in (rich(), poor()):
        content = read(profile, facts)

        assert [clause["clause"] for clause in content["clauses"]] == [clause.id for clause in profile.clauses]
        for clause in content["clauses"]:
            assert clause["status"] == ("partial" if clause["facts"] else "gap")
            assert clause["missing"]


@EVERY
def test_a_clause_lists_ids_of_facts_that_are_there(profile: Profile) -> None:
    content = read(profile, rich())

    listed = {fact for clause in content["clauses"] for fact in clause["facts"]}
    assert listed == {fact["id"] for fact in content["facts"]}


def test_a_poor_history_leaves_most_clauses_as_gaps() -> None:
    gaps = {name: [*statuses(read(profile, poor())).values()].count("gap") for name, profile in PROFILES.items()}

    assert gaps == {"eu-ai-act-annex-iv": 20, "iso-42001": 35, "nist-ai-rmf": 18, "sr-26-2": 8}


def test_what_a_registry_cannot_know_is_a_gap_with_any_history() -> None:
    annex = statuses(read(PROFILES["eu-ai-act-annex-iv"], rich()))

    assert {clause for clause, status in annex.items() if status == "gap"} == {
        "1(d)", "1(e)", "1(f)", "1(g)", "1(h)", "2(e)", "2(f)", "7", "8",
    }  # fmt: skip


def test_a_fact_names_its_entry_and_who_did_it() -> None:
    content = read(PROFILES["nist-ai-rmf"], rich())

    (first, *_) = [fact for fact in content["facts"] if fact["kind"] == "stage change"]
    assert first["values"] == {"move": "promote", "to": "production", "reason": "blocks card payments; not for loans"}
    assert first["attested"] == {
        "entry": act(20, "").entry,
        "account": "acc-ana",
        "at": act(20, "").at,
        "name": "ana",
        "position": 20,
        "action": "version.promoted",
        "roles": ["promoter"],
        "redacted": False,
    }


def test_an_erased_reason_is_stated_as_erased() -> None:
    facts = read(PROFILES["eu-ai-act-annex-iv"], rich())["facts"]

    assert [fact["values"] for fact in facts if fact["kind"] == "redaction"] == [
        {"erased text of the model": "description"},
        {"erased text of the version": "tags"},
        {"erased reason of": "version.promoted"},
        {"erased text": "comment"},
        {"erased reason of": "hold.placed"},
    ]


def test_the_notice_stands_in_the_document() -> None:
    for profile in PROFILES.values():
        assert read(profile, poor())["notice"].startswith("This is no legal advice.")


def test_facts_beyond_the_limit_are_counted() -> None:
    many = MemoryFacts(poor().query, poor().sealed, version_facts=tuple(version_fact(n, n) for n in range(1, MOST + 8)))

    clause = {one["clause"]: one for one in read(PROFILES["sr-26-2"], many)["clauses"]}["VI (model inventory)"]

    assert (len(clause["facts"]), clause["left_out"]) == (MOST, {"version": 7})


@EVERY
def test_a_profile_has_each_clause_once_and_names_its_edition(profile: Profile) -> None:
    ids = [clause.id for clause in profile.clauses]

    assert len(set(ids)) == len(ids)
    assert all((profile.edition, profile.scope, profile.uncertain))
    assert all(clause.title and clause.missing for clause in profile.clauses)


def test_each_kind_of_facts_concerns_a_clause_of_some_profile() -> None:
    concerned = {kind for profile in PROFILES.values() for clause in profile.clauses for kind in clause.kinds}

    assert concerned == set(FactKind)


def test_the_documents_of_a_small_model_are_these_bytes() -> None:
    small = ordered(PROFILES["sr-26-2"], poor())

    assert as_json(small).decode() == (GOLDEN / "profile.json").read_text()
    rows = "".join(json.dumps(row) + "\n" for row in (COLUMNS, *as_rows(small)))
    assert rows == (GOLDEN / "profile-rows.jsonl").read_text()


TEXTS = st.one_of(st.text(max_size=20), st.just(HOSTILE), st.text("x", min_size=LONGEST, max_size=LONGEST + 9))
TAGS = st.dictionaries(st.text(min_size=1, max_size=8), TEXTS, max_size=3)


@st.composite
def generated_versions(draw: st.DrawFn, number: int) -> VersionFact:
    return version_fact(
        number,
        number,
        description=draw(st.none() | TEXTS),
        framework=draw(st.none() | TEXTS),
        signature=draw(st.none() | TAGS),
        tags=draw(st.none() | TAGS),
        params=draw(TAGS),
        deleted=draw(st.none() | st.builds(act, st.just(60), st.just("version.deleted"), reason=st.none() | TEXTS)),
        purged=draw(st.none() | st.just(act(61, "version.purged", redacted=True))),
        run_state=draw(st.none() | st.just("running")),
    )


@st.composite
def generated_facts(draw: st.DrawFn) -> MemoryFacts:
    """Return facts with any texts, some of them absent."""
    parts = rich(draw(TEXTS))
    description, name, tags = draw(st.none() | TEXTS), draw(TEXTS), draw(TAGS)
    return MemoryFacts(
        parts.query,
        parts.sealed,
        (model_fact(name=name, description=description, tags=tags),),
        tuple(draw(generated_versions(n)) for n in range(1, draw(st.integers(1, 3)))),
        *(getattr(parts, field) if draw(st.booleans()) else () for field in LISTS),
    )


LISTS = (
    *("file_facts", "measurement_facts", "note_facts", "lineage_facts", "tenure_facts"),
    *("alias_facts", "account_facts", "role_facts"),
)


def leaves(value: Any) -> Iterator[Any]:
    yield value
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    if isinstance(value, Mapping):
        yield from value
    for one in inner:
        yield from leaves(one)


def is_recorded(text: str, recorded: list[Any]) -> bool:
    """Return whether *text* is a recorded value: a text, perhaps cut, a number, a list of texts or a document."""
    cut, mark, _ = text.rpartition("… (")
    for value in recorded:
        if isinstance(value, str):
            if text == value or (mark and len(cut) == LONGEST and value.startswith(cut)):
                return True
        elif isinstance(value, list) and all(isinstance(one, str) for one in value):
            if text == ", ".join(value):
                return True
        elif isinstance(value, Mapping | list):
            written = canonical_json.dumps(value).decode()
            if text == written or (mark and len(cut) == LONGEST and written.startswith(cut)):
                return True
        elif text == (str(value).lower() if isinstance(value, bool) else str(value)):
            return True
    return False


@settings(max_examples=25)
@example(rich())
@given(generated_facts())
def test_no_clause_shows_a_fact_that_is_not_in_the_facts(facts: MemoryFacts) -> None:
    documents = {
        "models": facts.model_facts,
        "versions": facts.version_facts,
        "notes": facts.note_facts,
        "lineage": facts.lineage_facts,
        "measurements": facts.measurement_facts,
        "tenures": facts.tenure_facts,
        "aliases": facts.alias_facts,
        "roles": facts.role_facts,
        "accounts": facts.account_facts,
        "policies": facts.policy_facts,
        "gates": facts.gate_facts,
        "checks": facts.check_facts,
        "requests": facts.request_facts,
        "request_acts": facts.request_act_facts,
        "holds": facts.hold_facts,
        "break_glass": facts.break_glass_facts,
        "checkpoint": (facts.sealed,),
    }
    recorded = {name: [*leaves([document(one) for one in some])] for name, some in documents.items()}
    entries = {value for values in recorded.values() for value in values if isinstance(value, str)}

    for profile in PROFILES.values():
        for fact in read(profile, facts)["facts"]:
            for label, value in fact["values"].items():
                assert is_recorded(value, recorded[fact["facts"]]), (label, value)
            if fact["attested"]:
                assert fact["attested"]["entry"] in entries
                assert fact["attested"]["account"] in entries
