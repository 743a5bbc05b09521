"""Models and versions as people read them."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from registry.cli.support import evaluations, output, version_warnings
from registry.cli.support.cells import Moment, Whole
from registry.cli.support.output import joined, when

if TYPE_CHECKING:
    from registry.client.types import (
        AliasView,
        CheckView,
        Dataset,
        HolderView,
        ModelView,
        NoteView,
        ReproducibilityView,
        VersionView,
    )

MODEL_COLUMNS = ("model", "latest", "production", "staging", "lifecycle", "state")
VERSION_COLUMNS = ("version", "stage", "state", ("registered", "by"), "aliases", "metrics")
# The fields that a line of a list shows.
MODEL_FIELDS = ("name", "latest_version", "stages", "lifecycle", "state")
VERSION_FIELDS = (
    "model", "number", "stage", "state", "run_state", "created_at", "created_by", "aliases", "metrics", "evaluations",
)  # fmt: skip
NOTES = 3  # that are shown with a version
NO_VERSIONS, NO_MODELS = "no versions match", "no models match"


def model_row(model: ModelView) -> list[object]:
    """Return one line of a list of models."""
    holders = [", ".join(map(str, model["stages"].get(stage, []))) for stage in ("production", "staging")]
    rules = [Whole(model["lifecycle"]), Whole(model["state"])]
    return [Whole(model["name"]), model["latest_version"], *map(Whole, holders), *rules]


def version_row(version: VersionView) -> list[object]:
    """Return one line of a list of versions."""
    return [
        Whole(f"{version['model']}:{version['number']}"),
        Whole(version["stage"]),
        Whole(version["state"] + _run_note(version)),
        Moment(version["created_at"]),
        version["created_by"],
        version["aliases"],
        evaluations.values(version),
    ]


def _run_note(version: VersionView) -> str:
    """Return the note for a version whose facts are not final."""
    return ", run unfinished" if version.get("run_state") == "unfinished" else ""


def model(view: ModelView) -> None:
    """Print a model, in full."""
    output.line(view["name"] + (" (deleted)" if view["state"] == "deleted" else ""))
    output.pairs(
        [
            ("description", view["description"]),
            *((stage, numbers) for stage, numbers in view["stages"].items()),
            ("latest", view["latest_version"]),
            ("aliases", view["aliases"]),
            ("protected", list(view.get("protected_aliases", ()))),
            ("tags", view["tags"]),
            ("lifecycle", view["lifecycle"]),
            ("created", f"{when(view['created_at'])} by {view['created_by']}"),
            ("deleted", when(view["deleted_at"])),
        ]
    )


def version(view: VersionView, report: ReproducibilityView | None = None) -> None:
    """Print a version, in full, with the report about what it is built again from, if there is one."""
    state = "" if view["state"] == "ready" else f", {view['state']}"
    rolled_back = ", rolled back" if view["rolled_back"] else ""
    output.line(f"{view['model']}:{view['number']} ({view['stage']}{state}{rolled_back})")
    output.pairs(
        [
            ("description", view["description"]),
            ("problem", view["state_reason"]),
            ("held", version_warnings.holds(view)),
            ("past gates", version_warnings.past_gates(view)),
            ("aliases", view["aliases"]),
            ("registered", f"{when(view['created_at'])} by {view['created_by']}"),
            ("source", view["source"]),
            ("files", _files(view)),
            ("damage", _damaged_files(view)),
            ("digest", view["manifest_digest"]),
            ("framework", view["framework"]),
            ("metrics", evaluations.values(view)),
            ("params", view["params"]),
            ("tags", view["tags"]),
            *_lineage_facts(view["lineage"]),
            ("to rebuild", reproducibility(report) if report else None),
            ("run state", _RUN_STATES.get(view.get("run_state") or "")),
            ("deleted", when(view["deleted_at"])),
            ("purged", _purged(view)),
        ]
    )


def reproducibility(view: ReproducibilityView) -> str:
    """Return how much of what a version is built again from is recorded."""
    missing = f"; missing: {', '.join(view['missing'])}" if view["missing"] else ""
    return f"{view['score']} recorded{missing}"


# A finished run needs no note; an older registry omits the state.
_RUN_STATES = {
    "unfinished": "unfinished: what it logs later is added when it has ended",
    "abandoned": "its end was not seen; the history has the reason",
}


def _purged(view: VersionView) -> str | None:
    """Return when the bytes were purged; an older registry omits it."""
    purged = view.get("purged_at")
    return f"{when(purged)}, its bytes are gone" if purged else None


def _files(view: VersionView) -> str:
    if view["manifest_digest"] is None:
        return "not known here" if view["state"] == "unverified" else "still to be fetched"
    return f"{output.count(view['file_count'], 'file')}, {output.size(view['size'])}"


def _damaged_files(view: VersionView) -> str | None:
    """Return what to do about damaged files; an older registry omits that there are any."""
    name = shlex.quote(f"{view['model']}:{view['number']}")
    return f"stored bytes are missing or corrupt: registry version files {name}" if view.get("damaged") else None


def notes(ref: str, newest: Sequence[NoteView]) -> None:
    """Print the newest comments on a version, and where there are more than NOTES."""
    for note in newest[:NOTES]:
        output.line(f"  note        {note_text(note)} ({note['author']}, {when(note['at'])})")
    if len(newest) > NOTES:
        output.line(f"  and older notes: registry version notes {shlex.quote(ref)}")


def checks(latest: Iterable[CheckView]) -> None:
    """Print the latest report of each check of a version."""
    for check in latest:
        summary = f": {' '.join(check['summary'].split())}" if check["summary"] else ""
        output.line(
            f"  check       {check['name']} {check['status']}{summary} ({check['reporter']}, {when(check['at'])})"
        )


def note_text(note: NoteView) -> str:
    """Return the text of a comment on one line."""
    return "(redacted)" if note["text"] is None else " ".join(note["text"].split())


def holder(view: HolderView) -> None:
    """Print the holder of a stage, since when and by whom."""
    until = f" until {when(view['until'])}" if view["until"] else ""
    reason = f": {view['reason']}" if view["reason"] else ""
    output.line(f"{view['model']}#{view['stage']} is {view['model']}:{view['number']}")
    output.line(f"  since {when(view['since'])}{until} ({view['kind']} by {view['actor']}{reason})")
    output.line(f"  entry {view['entry']}")


def alias_notes(view: AliasView) -> list[str]:
    """Return notes on an alias: that it is protected, or that its version is not ready."""
    state = view.get("state", "ready")  # an older registry omits it
    return ["protected"] * bool(view.get("protected")) + [state] * (state != "ready")


def alias(view: AliasView) -> None:
    """Print an alias and its version."""
    until = f" until {when(view['until'])}" if view["until"] else ""
    notes = f" ({', '.join(remarks)})" if (remarks := alias_notes(view)) else ""
    output.line(f"{view['model']}@{view['alias']} is {view['model']}:{view['number']}{notes}")
    output.line(f"  since {when(view['since'])}{until} (by {view['actor']})")
    output.line(f"  entry {view['entry']}")


def _lineage_facts(lineage: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    if run := lineage.get("run"):
        actor = f"by {run['triggered_by']}" if run.get("triggered_by") else None
        claim = f"(as its {run['stated_by']} states)" if run.get("stated_by") else None
        yield "run", " ".join(part for part in (run["system"], run["id"], actor, run.get("url"), claim) if part)
    if code := lineage.get("code"):
        if code.get("repo") or code.get("path"):
            yield "code", _format_code(code)
        if command := code.get("command"):  # earlier releases do not send it
            yield "command", command
    if environment := lineage.get("environment"):
        yield "environment", joined({key: value for key, value in environment.items() if value})
    for dataset in lineage.get("datasets", ()):
        yield "data", _format_dataset(dataset)
    for parent in lineage.get("parents", ()):
        yield "parent", f"{parent['model']}:{parent['version']}" + _relation(parent)
    for base in lineage.get("base_models", ()):
        yield "base model", " ".join(part for part in (base["uri"], *base["digests"]) if part) + _relation(base)


def _relation(derived_from: Mapping[str, Any]) -> str:
    """Return how a version derives from a parent or a base model; earlier releases do not send it."""
    return f" ({derived_from['relation']})" if derived_from.get("relation") else ""


def _format_code(code: Mapping[str, Any]) -> str:
    commit = f" at {code['commit']}" if code.get("commit") else ""
    branch = f" on {code['branch']}" if code.get("branch") else ""
    path = f" in {code['path']}" if code.get("path") and code.get("repo") else ""
    return f"{code.get('repo') or code.get('path')}{commit}{branch}{path}" + (
        " with uncommitted changes" if code.get("dirty") else ""
    )


def _format_dataset(dataset: Dataset) -> str:
    rows = f", {dataset['rows']} rows" if dataset.get("rows") is not None else ""
    return f"{dataset['name']} ({dataset.get('role', 'other')}{rows}) {' '.join(dataset['digests'])}"
