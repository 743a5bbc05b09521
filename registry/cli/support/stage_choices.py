"""Tenures of stages, and the moves that a version or a rollback can make, as people read them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from registry.cli.support import output, tables
from registry.cli.support.cells import Moment, Whole

if TYPE_CHECKING:
    from registry.client.types import StageOption, StageOptionsView, TenureView, WaysBackView

TENURE_COLUMNS = ("version", "stage", "since", "until", "how", ("by", "ended by"), ("because", "ended because"))
_OPTION_COLUMNS = ("to", "allowed", "effect")
_WAY_COLUMNS = ("to", "default", "since", "until", "refused because")


def tenure_row(tenure: TenureView) -> list[object]:
    """Return one line of tenures."""
    end = [Moment(tenure["until"] or ""), Whole(tenure["kind"])]
    said = [tenure["actor"], tenure["ended_by"] or "", tenure["reason"] or "", tenure["ended_reason"] or ""]
    return [tenure["number"], Whole(tenure["stage"]), Moment(tenure["since"]), *end, *said]


def options(view: StageOptionsView) -> None:
    """Print what a move of the version to each other stage would do."""
    holder = f"; version {view['holder']} holds production" if view["holder"] is not None else ""
    output.line(f"{view['model']}:{view['number']} is in {view['stage']}{holder}")
    rows = [
        [Whole(one["stage"]), "yes" if one["allowed"] else "no", "; ".join(_effects(one))] for one in view["options"]
    ]
    tables.table(_OPTION_COLUMNS, rows, empty="")


def _effects(option: StageOption) -> Iterator[str]:
    if move := option["move"]:
        yield move["kind"]
        if move["displaced"] is not None:
            yield f"version {move['displaced']} leaves production and is archived"
        if option["leave_vacant"]:
            yield "with --leave-vacant only: no version holds production then"
    for refused in (option["forbidden"], option["refusal"]):
        if refused:
            yield refused["detail"]


def ways_back(view: WaysBackView) -> None:
    """Print where a rollback leads by default, and its other targets."""
    to = (
        f"returns to version {view['target']}"
        if view["refusal"] is None
        else f"is refused: {view['refusal']['detail']}"
    )
    output.line(f"a rollback of {view['model']} {to}")
    rows = [
        [
            way["number"],
            "default" if way["number"] == view["target"] else "",
            Moment(way["tenure"]["since"]),
            Moment(way["tenure"]["until"] or ""),
            way["refusal"]["detail"] if way["refusal"] else "",
        ]
        for way in view["earlier"]
    ]
    tables.table(_WAY_COLUMNS, rows, empty="No other version held production.")
    if view["more"]:
        output.note(f"Other versions held production before: registry history {view['model']} --tenures")
