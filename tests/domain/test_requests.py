"""Four eyes: no order of acts lets the requester, the registrar or an issuer of their credentials count."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

from hypothesis import given, settings
from hypothesis import strategies as st

from registry.domain import requests
from registry.domain.four_eyes import Person
from registry.domain.requests import ActKind, Binding, PersonalAct, RequestState
from registry.rules.policies import parse
from registry.rules.policies.facts import GateFacts
from registry.services.gates import approvals

NAMES = ("ann", "bo", "cy", "di", "ed")
NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
PEOPLE = st.builds(Person, st.sampled_from(NAMES), st.none() | st.sampled_from(NAMES))
KINDS = st.sampled_from([kind for kind in ActKind if kind is not ActKind.REJECTED])
POLICY = parse({"policy": 1, "production": [{"rule": "approvals", "from": ["role:approver"]}]}, roles=("approver",))


@st.composite
def histories(draw: st.DrawFn, kinds: st.SearchStrategy[ActKind] = KINDS) -> list[PersonalAct]:
    acts = draw(st.lists(st.tuples(kinds, PEOPLE), max_size=8))
    return [
        PersonalAct(kind, person, ("approver",), NOON + timedelta(seconds=second), person.account)
        for second, (kind, person) in enumerate(acts)
    ]


def are_met(requester: Person, registrar: Person, acts: list[PersonalAct]) -> bool:
    request = SimpleNamespace(
        id="a-request",
        requested_by=requester.account,
        issuer_id=requester.issuer,
        registrar_id=registrar.account,
        registrar_issuer_id=registrar.issuer,
    )
    known = GateFacts(
        target="production",
        at=NOON,
        model="fraud",
        version=1,
        manifest_digest=None,
        approvals=approvals.facts_of(request, acts, ended=None),
    )
    (rule,) = approvals.rules_for(POLICY, "production")
    return rule.judge(known, POLICY.terms).passed


@settings(max_examples=60)
@given(PEOPLE, PEOPLE, histories())
def test_only_an_approval_by_another_person_that_is_the_last_word_counts(
    requester: Person, registrar: Person, acts: list[PersonalAct]
) -> None:
    last = {act.person.account: act for act in acts if act.kind in {ActKind.APPROVED, ActKind.APPROVAL_WITHDRAWN}}
    involved = {requester.account, requester.issuer, registrar.account, registrar.issuer}
    others = [
        act
        for account, act in last.items()
        if account not in involved and act.person.issuer not in {requester.account, registrar.account}
    ]

    assert are_met(requester, registrar, acts) == any(act.kind is ActKind.APPROVED for act in others)


@settings(max_examples=40)
@given(PEOPLE, PEOPLE, histories(), histories(), PEOPLE)
def test_no_act_after_a_rejection_makes_the_approvals_complete(
    requester: Person, registrar: Person, before: list[PersonalAct], after: list[PersonalAct], other: Person
) -> None:
    rejected = PersonalAct(ActKind.REJECTED, other, ("approver",), NOON + timedelta(hours=1), other.account)
    later = [act for act in after if act.person.account != other.account]

    assert not are_met(requester, registrar, [*before, rejected, *later])


@settings(max_examples=40)
@given(
    st.sampled_from([RequestState.OPEN, RequestState.REJECTED, RequestState.WITHDRAWN, RequestState.APPLIED]),
    st.integers(-2, 2),
    st.booleans(),
    st.lists(st.sampled_from(["manifest", "policy", "holder"]), unique=True),
)
def test_what_is_closed_stays_so_and_what_is_void_or_expired_is_not_open(
    stored: RequestState, seconds: int, is_approved: bool, changed: list[str]
) -> None:
    bound = Binding("a", "b", "c")
    present = Binding(
        **{name: "x" if name in changed else getattr(bound, name) for name in ("manifest", "policy", "holder")}
    )
    void = requests.void_reason("production", bound, present)

    state = requests.shown_state(
        stored, expires_at=NOON, void=void, is_approved=is_approved, now=NOON + timedelta(seconds=seconds)
    )

    assert (void is not None) == bool(changed)
    if stored is not RequestState.OPEN:
        assert state is stored
    else:
        counts = not changed and seconds < 0
        assert (state in {RequestState.OPEN, RequestState.APPROVED}) == counts
        assert (state is RequestState.APPROVED) == (counts and is_approved)
