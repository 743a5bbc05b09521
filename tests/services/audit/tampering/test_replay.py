"""Replay is a function of the entries: the state that any legal sequence of moves leads to, and no other."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.replay import model as replayed
from registry.domain.replay.checkpoints import CHECKPOINT
from registry.domain.replay.checkpoints import replay as replay_checkpoints
from registry.domain.replay.entry import Entry, Unreplayable
from registry.domain.stages import Stage, kind_of

ACTIONS = {kind: action for action, kind in replayed.KINDS.items()}
STEPS = st.lists(
    st.tuples(st.integers(1, 3), st.sampled_from(list(Stage)), st.sampled_from(["a", "b", None])), max_size=20
)


def entry(action: str, **fields: Any) -> Entry:
    subject = {"model": "fraud"} | fields.pop("subject", {})
    return Entry(0, "", "", action, {"id": "somebody", "cred": ""}, subject, **fields)


def written(entries: list[Entry]) -> list[Entry]:
    """The entries with the ids and times that a log gives them."""
    numbers = itertools.count(1)
    return [replace(one, id=n, uid=f"entry-{n}", at=f"{n:04}") for one, n in zip(entries, numbers, strict=False)]


def story(steps: list[tuple[int, Stage, str | None]]) -> tuple[list[Entry], dict[int, str], dict[str, int]]:
    """Entries of an open lifecycle that move versions and aliases about, and where all of them stand at the end."""
    entries = [entry("model.created", after={"lifecycle": "open", "first_number": 1})]
    stages, aliases = dict.fromkeys((1, 2, 3), "none"), dict[str, int]()
    for number in stages:
        after = {"state": "ready", "files": 1, "size": "1"}
        entries.append(entry("version.registered", subject={"version": number}, after=after, digests={"lineage": "l"}))
    for number, stage, alias in steps:
        if alias:
            before = {"aliases": {alias: aliases.get(alias)}}
            after_alias = {"aliases": {alias: number}}
            entries.append(entry("alias.set", subject={"version": number}, before=before, after=after_alias))
            aliases[alias] = number
        elif stages[number] != stage:
            action = ACTIONS[kind_of(Stage(stages[number]), stage)]
            before, after = {"stage": stages[number]}, {"stage": stage.value}
            entries.append(entry(action, subject={"version": number}, before=before, after=after))
            stages[number] = stage.value
    return written(entries), stages, aliases


@given(STEPS)
def test_a_replay_ends_where_the_moves_end(steps: list[tuple[int, Stage, str | None]]) -> None:
    entries, stages, aliases = story(steps)

    model = replayed.replay(entries)

    assert {number: version.stage for number, version in model.versions.items()} == stages
    assert {tenure.number: tenure.stage for tenure in model.tenures if tenure.ended_at is None} == {
        number: stage for number, stage in stages.items() if stage != "none"
    }
    assert {alias.alias: alias.number for alias in model.aliases if alias.ended_at is None} == aliases
    for number in stages:
        spans = [tenure for tenure in model.tenures if tenure.number == number]
        assert all(one.ended_at and one.ended_at <= other.started_at for one, other in itertools.pairwise(spans))
    assert replayed.replay(entries) == model


@given(STEPS.filter(bool), st.data())
def test_an_entry_that_is_left_out_changes_the_outcome_or_is_refused(
    steps: list[tuple[int, Stage, str | None]], data: st.DataObject
) -> None:
    entries, _, _ = story(steps)
    gone = data.draw(st.integers(0, len(entries) - 1))

    try:
        model = replayed.replay([*entries[:gone], *entries[gone + 1 :]])
    except Unreplayable:
        return
    assert model != replayed.replay(entries)


def test_an_action_that_is_not_known_is_refused() -> None:
    with pytest.raises(Unreplayable, match=r"cannot replay the action 'model\.blessed'"):
        replayed.replay([entry("model.blessed")])


def test_a_checkpoint_cannot_name_less_than_an_earlier_one() -> None:
    heads = [entry(CHECKPOINT, facts={"heads": {"model:x": [seq, "leaf"]}}) for seq in (5, 4)]

    with pytest.raises(Unreplayable, match="after a later one"):
        replay_checkpoints(heads)
