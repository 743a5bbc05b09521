"""``registry hold``: holds on versions, data and base models, and recalls."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from registry.cli.support import live_downloads, output, version_facts
from registry.cli.support.cells import Moment, Whole
from registry.cli.support.exit_codes import Exit
from registry.cli.support.options import connected, limit, reason
from registry.cli.support.parsing import REFERENCE
from registry.cli.support.session import Session
from registry.domain.holds import short
from registry.rules import csv_cells

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from registry.cli.support.live_downloads import LiveDownloads
    from registry.client import Reference
    from registry.client.types import HeldVersionView, HoldTarget, HoldView, ListedHoldView, PlacedHoldView, RecallView

COLUMNS = ("hold", "on", "live", "placed", "by", "released", "because")
VERSION_COLUMNS = ("version", "stage", "state", "aliases", "by way of", "promoted by", ("in production since", "until"))
CSV_COLUMNS = ("model", "version", "stage", "state", "aliases", "promoted_by", "path", "production_since",
               "production_until")  # fmt: skip
_VERSION = re.compile(r"[^:/@#]+:[1-9][0-9]{0,8}\Z")


class _Hold(click.Group):
    """Takes ``registry hold fraud:3`` for ``registry hold place fraud:3``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["place", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_Hold)
def hold() -> None:
    """Keep versions out of staging and production, and recall what is downstream of data or of a base model.

    "registry hold fraud:3" is short for "registry hold place fraud:3". A version that is in a stage stays there, and is
    shown as held wherever it is resolved.
    """


@hold.command()
@click.argument("ref", type=REFERENCE)
@reason(required=True)
@click.option("--rollback", is_flag=True, help="Also take it out of production, or do neither.")
@click.option("--leave-vacant", is_flag=True, help="With --rollback: leave production without a version.")
@connected
def place(session: Session, ref: Reference, reason: str, rollback: bool, leave_vacant: bool) -> None:
    """Hold a version: it enters neither staging nor production, and gets no protected alias.

    \b
    Example:
      registry hold place fraud:3 --reason "trained with wrong labels"
      registry hold place fraud#production --reason "false alarms" --rollback
    """
    if leave_vacant and not rollback:
        raise click.UsageError("--leave-vacant is used together with --rollback: give both.")
    version = f"{ref.model}:{session.number(ref)}"
    done = session.registry.holds.place("version", version, reason=reason, rollback=rollback, leave_vacant=leave_vacant)
    session.show(done, lambda: _show_placed(done))


@hold.command()
@click.argument("data")
@reason(required=True)
@connected
def data(session: Session, data: str, reason: str) -> None:
    """Hold every version downstream of DATA: a digest, or a file or a directory here, of which it is computed.

    Versions that are registered later are held, too. registry hold show lists those that are live.

    \b
    Example:
      registry hold data customers.csv --reason "it has the test customers"
      registry hold data md5:9e107d9d372bb6826bd81d3542a419d6 --reason "withdrawn by the supplier"
    """
    sought = version_facts.sought_data(data)
    if "digest" not in sought:
        raise click.UsageError(f"A hold is on content: give a digest of it, not the address {data}.")
    done = session.registry.holds.place("data", sought["digest"], reason=reason)
    session.show(done, lambda: _show_placed(done))


@hold.command()
@click.argument("model", metavar="URI|MODEL:NUMBER")
@reason(required=True)
@connected
def base(session: Session, model: str, reason: str) -> None:
    """Hold every version that derives from a base model: a URI, or a version here, which is held itself.

    \b
    Example:
      registry hold base hf://org/name --reason "the licence was withdrawn"
      registry hold base embeddings:4 --reason "leaks its training data"
    """
    kind: HoldTarget = "base_version" if _VERSION.match(model) else "base_model"
    done = session.registry.holds.place(kind, model, reason=reason)
    session.show(done, lambda: _show_placed(done))


@hold.command()
@click.argument("hold", type=click.IntRange(min=1), metavar="HOLD")
@reason(required=True)
@connected
def release(session: Session, hold: int, reason: str) -> None:
    """End a hold. Versions that other holds are about stay held.

    \b
    Example:
      registry hold release 4 --reason "the labels are right"
    """
    done = session.registry.holds.release(hold, reason=reason)
    session.show(done, lambda: output.line(f"hold {hold} on {short(done['kind'], done['target'])} released"))


@hold.command("list")
@click.option(
    "--state",
    type=click.Choice(["active", "released", "all"]),
    default="active",
    show_default=True,
    help="Only holds in this state.",
)
@click.option("--model", metavar="NAME", help="Only holds on versions of this model.")
@click.option("--live", is_flag=True, help="Only holds about a version in production.")
@limit(50)
@connected
def list_(session: Session, state: Any, model: str | None, live: bool, limit: int) -> None:
    """List holds, the newest first.

    \b
    Example:
      registry hold list --live
    """
    holds = session.registry.holds.list(state=state, model=model, live=live or None)
    session.list(
        holds, COLUMNS, _listed_row, empty="no hold is active" if state == "active" else "no hold", limit=limit
    )


@hold.command()
@click.argument("hold", type=click.IntRange(min=1), metavar="HOLD")
@click.option("--require-complete", is_flag=True, help="Exit with 6 while a version is in production.")
@click.option(
    "--downloads",
    is_flag=True,
    help="Also who downloaded the live versions in the last 30 days; requires the role auditor or admin.",
)
@connected
def show(session: Session, hold: int, require_complete: bool, downloads: bool) -> None:
    """Show how far a recall is: which versions are live, and which have left production since.

    registry hold versions lists all versions that the hold is about.

    \b
    Example:
      registry hold show 4
      registry hold show 4 --require-complete
      registry hold show 4 --downloads
    """
    holds = session.registry.holds
    recall = holds.show(hold)
    live = [*holds.versions(hold, stage="production")] if recall["live"] else []
    used = live_downloads.of(session.registry, live) if downloads else None
    shown = {**recall, "versions": live} | ({} if used is None else {"downloads": used})
    session.show(shown, lambda: _show_recall(recall, live, used))
    if require_complete and not recall["complete"]:
        click.get_current_context().exit(Exit.REFUSED)


@hold.command()
@click.argument("hold", type=click.IntRange(min=1), metavar="HOLD")
@click.option("--stage", type=click.Choice(["production", "staging", "archived", "none"]), help="Only in this stage.")
@click.option("--csv", "as_csv", is_flag=True, help="Write a CSV file to stdout.")
@limit(0)
@connected
def versions(session: Session, hold: int, stage: Any, as_csv: bool, limit: int) -> None:
    """List the versions that a hold is about; those in production first, then those in staging.

    \b
    Example:
      registry hold versions 4
      registry hold versions 4 --csv > recall.csv
    """
    if as_csv and session.as_json:
        raise click.UsageError("--csv and --json are alternatives; give one of them.")
    found = session.registry.holds.versions(hold, stage=stage)
    if as_csv:
        for line in csv_cells.lines(CSV_COLUMNS, map(_csv_row, found)):
            click.echo(line, nl=False)
        return
    session.list(found, VERSION_COLUMNS, _version_row, empty="no version is downstream", limit=limit)


def _show_placed(done: PlacedHoldView) -> None:
    held = done["hold"]
    output.line(f"hold {held['id']} placed on {short(held['kind'], held['target'])}")
    if done["left"]:
        holder = "nothing" if done["successor"] is None else f"{held['model']}:{done['successor']}"
        output.line(f"  {held['target']} left production; {holder} is in production now")
    if held["kind"] != "version":
        output.line(f"  registry hold show {held['id']} lists the versions that are live")


def _listed_row(one: ListedHoldView) -> list[object]:
    released = one["released_at"]
    return [
        Whole(str(one["id"])),
        f"{one['kind']} {short(one['kind'], one['target'])}",
        "" if one["live"] is None else str(one["live"]),
        Moment(one["placed_at"]),
        one["placed_by"],
        Moment(released) if released else "",
        one["reason"] or "redacted",
    ]


def _show_recall(
    recall: RecallView, live: Iterable[HeldVersionView], downloads: Sequence[LiveDownloads] | None
) -> None:
    held = recall["hold"]
    output.line(f"hold {held['id']} on {short(held['kind'], held['target'])}: {_progress(recall)}")
    output.pairs([("reason", held["reason"] or "redacted"), ("placed", _act(held, "placed")),
                  ("released", _act(held, "released"))])  # fmt: skip
    for one in live:
        version = one["affected"]
        aliases = "".join(f" @{alias}" for alias in one["aliases"])
        way = " > ".join(step["name"] for step in version["path"])
        output.line(f"  live    {version['model']}:{version['number']}{aliases}, by {one['promoted_by']} ({way})")
    for line in live_downloads.lines(downloads) if downloads is not None else ():
        output.line(line)
    for departure in recall["departures"]:
        name = f"{departure['model']}:{departure['number']}"
        how = f"{departure['kind']} by {departure['actor']}, {output.when(departure['at'])}"
        output.line(f"  left    {name} ({how}; entry {departure['entry']})")


def _progress(recall: RecallView) -> str:
    if recall["downstream"] is None:
        return "more versions are downstream than can be counted"
    counts = f"{recall['live']} of {output.count(recall['downstream'], 'version')} live, {recall['staging']} in staging"
    return f"{counts}; the recall is complete" if recall["complete"] else counts


def _act(held: HoldView, verb: str) -> str | None:
    view: dict[str, Any] = dict(held)
    if view[f"{verb}_at"] is None:
        return None
    because = f": {view['release_reason']}" if verb == "released" and view["release_reason"] else ""
    return f"{output.when(view[f'{verb}_at'])} by {view[f'{verb}_by']}{because}"


def _version_row(one: HeldVersionView) -> list[object]:
    version = one["affected"]
    since, until = _production(one)
    return [
        Whole(f"{version['model']}:{version['number']}"),
        Whole(version["stage"]),
        Whole(version["state"]),
        ", ".join(one["aliases"]),
        " > ".join(step["name"] for step in version["path"][:-1]),
        one["promoted_by"] or "",
        Moment(since) if since else "",
        Moment(until) if until else "",
    ]


def _csv_row(one: HeldVersionView) -> dict[str, object]:
    version = one["affected"]
    since, until = _production(one)
    values = (version["model"], version["number"], version["stage"], version["state"], ", ".join(one["aliases"]),
              one["promoted_by"], " > ".join(step["name"] for step in version["path"]), since, until)  # fmt: skip
    return dict(zip(CSV_COLUMNS, values, strict=True))


def _production(one: HeldVersionView) -> tuple[str | None, str | None]:
    span = one["affected"]["production"]
    return (span["since"], span["until"]) if span else (None, None)
