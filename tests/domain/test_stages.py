"""The stage machine by itself: every edge of both lifecycles, and where a rollback leads."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain import stages
from registry.domain.errors import IllegalTransition, NoPrevious, NotReady, Occupied, Stale
from registry.domain.stages import Candidate, Lifecycle, Move, ProductionTenure, Stage, TransitionKind
from registry.domain.states import VersionState

NONE, STAGING, PRODUCTION, ARCHIVED = Stage.NONE, Stage.STAGING, Stage.PRODUCTION, Stage.ARCHIVED
PAIRS = list(itertools.product(Stage, Stage))

# The table of the README, written out once more: the kind of each legal move, None for staying.
ENFORCED = {
    (NONE, NONE): None,
    (NONE, STAGING): TransitionKind.PROMOTE,
    (NONE, ARCHIVED): TransitionKind.ARCHIVE,
    (STAGING, NONE): TransitionKind.DEMOTE,
    (STAGING, STAGING): None,
    (STAGING, PRODUCTION): TransitionKind.PROMOTE,
    (STAGING, ARCHIVED): TransitionKind.ARCHIVE,
    (PRODUCTION, PRODUCTION): None,
    (PRODUCTION, ARCHIVED): TransitionKind.ARCHIVE,
    (ARCHIVED, STAGING): TransitionKind.RESTORE,
    (ARCHIVED, ARCHIVED): None,
}
OPEN = ENFORCED | {
    (NONE, PRODUCTION): TransitionKind.PROMOTE,
    (PRODUCTION, NONE): TransitionKind.DEMOTE,
    (PRODUCTION, STAGING): TransitionKind.DEMOTE,
    (ARCHIVED, NONE): TransitionKind.RESTORE,
    (ARCHIVED, PRODUCTION): TransitionKind.PROMOTE,
}
ALLOWED = {
    NONE: ["archived", "staging"],
    STAGING: ["archived", "none", "production"],
    PRODUCTION: ["archived"],
    ARCHIVED: ["staging"],
}


def candidate(stage: Stage, state: VersionState = VersionState.READY, number: int = 7) -> Candidate:
    return Candidate(number, stage, state)


def plan(source: Stage, target: Stage, lifecycle: Lifecycle = Lifecycle.ENFORCED, **terms: bool) -> Move:
    return stages.plan(candidate(source), target, lifecycle=lifecycle, holder=3, **terms)


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_every_move_of_the_enforced_lifecycle_is_as_in_the_table(source: Stage, target: Stage) -> None:
    if (source, target) not in ENFORCED:
        with pytest.raises(IllegalTransition) as refused:
            plan(source, target, leave_vacant=True)
        assert refused.value.extras["allowed"] == ALLOWED[source]
        return

    move = plan(source, target, leave_vacant=True)

    assert (move.kind, move.changed) == (ENFORCED[source, target], source is not target)
    assert (move.number, move.source, move.target) == (7, source, target)


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_every_move_of_the_open_lifecycle_is_allowed_and_displaces_no_version(source: Stage, target: Stage) -> None:
    move = plan(source, target, Lifecycle.OPEN)

    assert (move.kind, move.displaced) == (OPEN[source, target], None)


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_only_entering_an_enforced_production_displaces_its_holder(source: Stage, target: Stage) -> None:
    if (source, target) in ENFORCED:
        move = plan(source, target, leave_vacant=True)

        assert move.displaced == (3 if (source, target) == (STAGING, PRODUCTION) else None)


def test_leaving_production_vacant_must_be_said() -> None:
    with pytest.raises(IllegalTransition) as refused:
        plan(PRODUCTION, ARCHIVED)

    assert "leave_vacant" in refused.value.detail


@pytest.mark.parametrize("lifecycle", Lifecycle)
@pytest.mark.parametrize("state", [VersionState.PENDING, VersionState.FAILED])
@pytest.mark.parametrize("target", [STAGING, PRODUCTION])
def test_a_version_that_is_not_ready_enters_neither_staging_nor_production(
    lifecycle: Lifecycle, state: VersionState, target: Stage
) -> None:
    source = NONE if target is STAGING else STAGING

    with pytest.raises(NotReady):
        stages.plan(candidate(source, state), target, lifecycle=lifecycle, holder=None)


@pytest.mark.parametrize("state", [VersionState.PENDING, VersionState.FAILED])
def test_a_version_that_is_not_ready_can_be_archived(state: VersionState) -> None:
    move = stages.plan(candidate(NONE, state), ARCHIVED, lifecycle=Lifecycle.ENFORCED, holder=None)

    assert move.kind is TransitionKind.ARCHIVE


def test_an_unverified_version_serves_only_where_the_lifecycle_is_open() -> None:
    move = stages.plan(candidate(NONE, VersionState.UNVERIFIED), PRODUCTION, lifecycle=Lifecycle.OPEN, holder=None)

    assert move.kind is TransitionKind.PROMOTE
    with pytest.raises(NotReady, match="Register them as a new version with their bytes"):
        stages.plan(candidate(NONE, VersionState.UNVERIFIED), STAGING, lifecycle=Lifecycle.ENFORCED, holder=None)


def test_the_holder_of_production_is_not_displaced_when_the_request_forbids_it() -> None:
    with pytest.raises(Occupied, match="version 3 holds production"):
        stages.plan(candidate(STAGING), PRODUCTION, lifecycle=Lifecycle.ENFORCED, holder=3, displace=False)


@pytest.mark.parametrize("lifecycle", Lifecycle)
@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_deleted_version_does_not_move(source: Stage, target: Stage, lifecycle: Lifecycle) -> None:
    with pytest.raises(NotReady):
        stages.plan(candidate(source, VersionState.DELETED), target, lifecycle=lifecycle, holder=None)


@given(
    st.sampled_from(Stage), st.sampled_from(VersionState), st.sampled_from(Stage), st.sampled_from(Lifecycle),
    st.none() | st.integers(1, 9), st.booleans(),
)  # fmt: skip
def test_a_plan_is_a_refusal_or_a_move_that_keeps_the_rules(
    source: Stage, state: VersionState, target: Stage, lifecycle: Lifecycle, holder: int | None, leave_vacant: bool
) -> None:
    try:
        move = stages.plan(
            candidate(source, state), target, lifecycle=lifecycle, holder=holder, leave_vacant=leave_vacant
        )
    except (IllegalTransition, NotReady):
        return

    assert (move.source, move.target) == (source, target)
    assert move.changed == (source is not target)
    serves = {VersionState.READY} if lifecycle is Lifecycle.ENFORCED else {VersionState.READY, VersionState.UNVERIFIED}
    assert not move.changed or target not in {STAGING, PRODUCTION} or state in serves
    enters = lifecycle is Lifecycle.ENFORCED and move.changed and target is PRODUCTION
    assert move.displaced == (holder if enters else None)


@pytest.mark.parametrize(("expected", "holder"), [(1, 2), (None, 2), (1, None)])
def test_an_outdated_picture_of_the_holder_is_refused_with_the_real_one(
    expected: int | None, holder: int | None
) -> None:
    with pytest.raises(Stale) as refused:
        stages.check_expected(expected, holder=holder)

    assert refused.value.extras == {"holder": holder}


@pytest.mark.parametrize("holder", [None, 1])
def test_a_true_picture_of_the_holder_passes(holder: int | None) -> None:
    stages.check_expected(holder, holder=holder)


class Line:
    """Production's history, written down as the service does: newest first, each rollback with its origin."""

    def __init__(self) -> None:
        self.past: list[ProductionTenure] = []

    def promote(self, number: int) -> Line:
        self._leave(TransitionKind.SUPERSEDE)
        self._mark(number, rolled_back=False)
        self._enter(number, len(self.past) + 1)
        return self

    def archive(self) -> Line:
        self._leave(TransitionKind.ARCHIVE)
        return self

    def set(self, number: int, **changes: VersionState | bool) -> Line:
        self.past = [replace(tenure, **changes) if tenure.number == number else tenure for tenure in self.past]
        return self

    def roll_back(self, to: int | None = None) -> int:
        """The version that production returned to."""
        chosen = self.previous(to)
        if holder := self.holder():
            self._leave(TransitionKind.ROLLBACK)
            self._mark(holder, rolled_back=True)
        self._enter(chosen.number, chosen.origin)
        return chosen.number

    def previous(self, to: int | None = None) -> ProductionTenure:
        return stages.plan_rollback(iter(self.past), to=to)

    def holder(self) -> int | None:
        return next((tenure.number for tenure in self.past if tenure.ended_kind is None), None)

    def _mark(self, number: int, *, rolled_back: bool) -> None:
        self.set(number, rolled_back=rolled_back)

    def _leave(self, kind: TransitionKind) -> None:
        if self.past and self.past[0].ended_kind is None:
            self.past[0] = replace(self.past[0], ended_kind=kind)

    def _enter(self, number: int, origin: int) -> None:
        state = next((tenure.state for tenure in self.past if tenure.number == number), VersionState.READY)
        self.past.insert(0, ProductionTenure(len(self.past) + 1, number, origin, None, state, False))


def line(*numbers: int) -> Line:
    found = Line()
    for number in numbers:
        found.promote(number)
    return found


def test_after_a_b_c_a_rollback_gives_b_then_a_then_nothing() -> None:
    history = line(1, 2, 3)

    assert [history.roll_back(), history.roll_back()] == [2, 1]
    with pytest.raises(NoPrevious):
        history.roll_back()


def test_a_promotion_after_a_rollback_can_be_rolled_back_to_what_the_rollback_restored() -> None:
    history = line(1, 2, 3)
    history.roll_back()
    history.promote(4)

    assert [history.roll_back(), history.roll_back()] == [2, 1]


def test_a_version_that_was_rolled_back_counts_again_once_it_was_promoted_again() -> None:
    history = line(1, 2)
    history.roll_back()
    history.promote(2).promote(3)

    assert [history.roll_back(), history.roll_back()] == [2, 1]


def test_after_a_rollback_to_the_first_holder_there_is_nothing_before_it() -> None:
    history = line(1, 2, 3)
    history.roll_back(to=1)

    with pytest.raises(NoPrevious):
        history.roll_back()


def test_a_rollback_never_returns_to_a_version_that_was_rolled_back() -> None:
    history = line(1, 2, 1)

    assert history.roll_back() == 2
    with pytest.raises(NoPrevious):
        history.roll_back()


@pytest.mark.parametrize("state", [VersionState.DELETED, VersionState.FAILED, VersionState.PENDING])
def test_a_rollback_skips_versions_that_are_not_ready(state: VersionState) -> None:
    assert line(1, 2, 3).set(2, state=state).roll_back() == 1


def test_a_rollback_skips_tenures_that_were_ended_by_hand() -> None:
    assert line(1, 2).archive().promote(3).roll_back() == 1


def test_a_vacant_production_rolls_back_to_the_holder_before_the_one_that_was_archived() -> None:
    assert line(1, 2, 3).archive().roll_back() == 2


def test_a_rollback_never_returns_to_the_version_that_it_leaves() -> None:
    history = line(1, 2).archive().promote(1)

    with pytest.raises(NoPrevious):
        history.roll_back()


def test_a_rollback_of_an_open_lifecycle_passes_versions_that_hold_production_anyway() -> None:
    superseded = ProductionTenure(1, 1, 1, TransitionKind.SUPERSEDE, VersionState.READY, False)
    beside = ProductionTenure(2, 1, 2, None, VersionState.READY, False)
    latest = ProductionTenure(3, 2, 3, None, VersionState.READY, False)

    with pytest.raises(NoPrevious):
        stages.plan_rollback([latest, beside, superseded])


def test_without_any_holder_ever_there_is_no_previous() -> None:
    with pytest.raises(NoPrevious):
        stages.plan_rollback([])


@pytest.mark.parametrize("to", [1, 2])
def test_a_rollback_can_name_any_earlier_holder(to: int) -> None:
    assert line(1, 2, 3).roll_back(to) == to


def test_a_rollback_can_name_a_holder_that_was_archived_by_hand() -> None:
    assert line(1).archive().promote(2).roll_back(1) == 1


def test_a_rollback_to_a_version_that_never_held_production_is_refused() -> None:
    with pytest.raises(NoPrevious):
        line(1, 2).roll_back(9)


def test_a_rollback_to_a_version_that_was_rolled_back_leads_to_staging() -> None:
    history = line(1, 2)
    history.roll_back()

    with pytest.raises(IllegalTransition) as refused:
        history.roll_back(2)

    assert refused.value.extras["allowed"] == ["staging"]


@pytest.mark.parametrize("state", [VersionState.DELETED, VersionState.FAILED, VersionState.PENDING])
def test_a_rollback_to_a_version_that_is_not_ready_is_refused(state: VersionState) -> None:
    with pytest.raises(NotReady):
        line(1, 2).set(1, state=state).roll_back(1)


def test_a_rollback_reads_no_more_of_the_past_than_it_needs() -> None:
    read = []
    history = line(*range(1, 100))

    stages.plan_rollback(read.append(tenure) or tenure for tenure in history.past)  # type: ignore[func-returns-value]

    assert len(read) == 2


@given(st.lists(st.sampled_from(["promote", "roll back", "archive", "delete", "restore"]), max_size=30), st.data())
def test_a_rollback_always_finds_a_ready_version_that_was_superseded_and_is_not_marked(
    steps: list[str], data: st.DataObject
) -> None:
    history = Line()
    for step in steps:
        number = data.draw(st.integers(1, 5))
        if step == "promote" and history.holder() != number:
            history.promote(number)
        elif step == "archive":
            history.archive()
        elif step == "roll back":
            newest = history.past[0].number if history.past else None
            try:
                chosen = history.previous()
            except NoPrevious:
                continue
            assert (chosen.state, chosen.ended_kind, chosen.rolled_back) == (
                VersionState.READY,
                TransitionKind.SUPERSEDE,
                False,
            )
            assert chosen.number not in {newest, history.holder()}
            history.roll_back()
        elif history.holder() != number:
            history.set(number, state=VersionState.DELETED if step == "delete" else VersionState.READY)
