"""Models, versions and history as people read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from registry.cli import output
from registry.cli.output import joined, when

if TYPE_CHECKING:
    from registry.client.types import (
        AliasView,
        Dataset,
        EntryActor,
        EntryView,
        HolderView,
        ModelView,
        RefusalView,
        VersionView,
    )

ENTRY_COLUMNS = ("time", "actor", "credential", "action", "version", "change", "reason")
REFUSAL_COLUMNS = ("hour", "code", "action", "actor", "address", "count", "last")
MODEL_COLUMNS = ("model", "latest", "production", "staging", "lifecycle", "state")
VERSION_COLUMNS = ("version", "stage", "state", "registered", "by", "aliases", "metrics")


def entry_row(entry: EntryView) -> list[object]:
    """One line of history."""
    model, number = entry["model"] or "", entry["version"]
    subject = f"{model}:{number}" if number is not None else model
    actor, change = entry["actor"], _change(entry)
    return [
        when(entry["at"]),
        actor["name"],
        _credential(actor),
        entry["action"],
        subject,
        change,
        entry["reason"] or "",
    ]


def _credential(actor: EntryActor) -> str:
    """The token's id, and who issued it where that is another account; an older server does not say."""
    token, issuer = actor.get("credential") or "", actor.get("issuer")
    return f"{token} by {issuer}" if issuer else token


def refusal_row(refusal: RefusalView) -> list[object]:
    """One line of what was refused."""
    actor = refusal["actor"]["name"] if refusal["actor"] else ""
    hour, last = when(refusal["hour"]), when(refusal["last_at"])
    return [hour, refusal["code"], refusal["action"], actor, refusal["address"], refusal["count"], last]


def model_row(model: ModelView) -> list[object]:
    """One line of a list of models."""
    holders = [", ".join(map(str, model["stages"].get(stage, []))) for stage in ("production", "staging")]
    return [model["name"], model["latest_version"] or "", *holders, model["lifecycle"], model["state"]]


def version_row(version: VersionView) -> list[object]:
    """One line of a list of versions."""
    return [
        f"{version['model']}:{version['number']}",
        version["stage"],
        version["state"],
        when(version["created_at"]),
        version["created_by"],
        ", ".join(version["aliases"]),
        joined(version["metrics"]),
    ]


def model(view: ModelView) -> None:
    """A model, in full."""
    output.line(view["name"] + (" (deleted)" if view["state"] == "deleted" else ""))
    output.pairs(
        [
            ("description", view["description"]),
            *((stage, ", ".join(map(str, numbers))) for stage, numbers in view["stages"].items()),
            ("latest", view["latest_version"]),
            ("aliases", joined(view["aliases"])),
            ("protected", ", ".join(view.get("protected_aliases", ()))),
            ("tags", joined(view["tags"])),
            ("lifecycle", view["lifecycle"]),
            ("created", f"{when(view['created_at'])} by {view['created_by']}"),
            ("deleted", when(view["deleted_at"])),
        ]
    )


def version(view: VersionView) -> None:
    """A version, in full."""
    state = "" if view["state"] == "ready" else f", {view['state']}"
    rolled_back = ", rolled back" if view["rolled_back"] else ""
    output.line(f"{view['model']}:{view['number']} ({view['stage']}{state}{rolled_back})")
    output.pairs(
        [
            ("description", view["description"]),
            ("problem", view["state_reason"]),
            ("aliases", ", ".join(view["aliases"])),
            ("registered", f"{when(view['created_at'])} by {view['created_by']}"),
            ("source", view["source"]),
            ("files", _files(view)),
            ("digest", view["manifest_digest"]),
            ("framework", view["framework"]),
            ("metrics", joined(view["metrics"])),
            ("params", joined(view["params"])),
            ("tags", joined(view["tags"])),
            *_lineage(view["lineage"]),
            ("deleted", when(view["deleted_at"])),
        ]
    )


def _files(view: VersionView) -> str:
    if view["manifest_digest"] is None:
        return "not known here" if view["state"] == "unverified" else "still to be fetched"
    return f"{output.count(view['file_count'], 'file')}, {output.size(view['size'])}"


def holder(view: HolderView) -> None:
    """Who holds a stage, since when and by whom."""
    until = f" until {when(view['until'])}" if view["until"] else ""
    reason = f": {view['reason']}" if view["reason"] else ""
    output.line(f"{view['model']}#{view['stage']} is {view['model']}:{view['number']}")
    output.line(f"  since {when(view['since'])}{until} ({view['kind']} by {view['actor']}{reason})")
    output.line(f"  entry {view['entry']}")


def alias_notes(view: AliasView) -> list[str]:
    """What is special about an alias: that it is protected, or that its version is not ready."""
    state = view.get("state", "ready")  # an older registry does not say
    return ["protected"] * bool(view.get("protected")) + [state] * (state != "ready")


def alias(view: AliasView) -> None:
    """What an alias points at."""
    until = f" until {when(view['until'])}" if view["until"] else ""
    notes = f" ({', '.join(found)})" if (found := alias_notes(view)) else ""
    output.line(f"{view['model']}@{view['alias']} is {view['model']}:{view['number']}{notes}")
    output.line(f"  since {when(view['since'])}{until} (by {view['actor']})")
    output.line(f"  entry {view['entry']}")


def _lineage(lineage: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    if run := lineage.get("run"):
        yield "run", " ".join(part for part in (run["system"], run["id"], run.get("url")) if part)
    if code := lineage.get("code"):
        yield "code", _code(code)
    if environment := lineage.get("environment"):
        yield "environment", joined({key: value for key, value in environment.items() if value})
    for dataset in lineage.get("datasets", ()):
        yield "data", _dataset(dataset)
    for parent in lineage.get("parents", ()):
        yield "parent", f"{parent['model']}:{parent['version']}"


def _code(code: Mapping[str, Any]) -> str:
    commit = f" at {code['commit']}" if code.get("commit") else ""
    path = f" in {code['path']}" if code.get("path") else ""
    return f"{code['repo']}{commit}{path}" + (" with uncommitted changes" if code.get("dirty") else "")


def _dataset(dataset: Dataset) -> str:
    rows = f", {dataset['rows']} rows" if dataset.get("rows") is not None else ""
    return f"{dataset['name']} ({dataset.get('role', 'other')}{rows}) {' '.join(dataset['digests'])}"


def _change(entry: EntryView) -> str:
    """``staging -> production`` or the fields that differ; the other version involved, if any."""
    before, after = entry["before"] or {}, entry["after"] or {}
    parts = [
        _difference(key, before.get(key), after.get(key))
        for key in sorted({*before, *after})
        if before.get(key) != after.get(key)
    ]
    if entry["related_version"] is not None:
        parts.append(f"(version {entry['related_version']})")
    return ", ".join(parts) if len(parts) <= 4 else f"{', '.join(parts[:4])}, …"


def _difference(key: str, before: Any, after: Any) -> str:
    if key == "stage":
        return f"{before or '-'} -> {after or '-'}"
    if before is None:
        return f"{key}={_short(after)}"
    return f"{key}: {_short(before)} -> {_short(after) if after is not None else '-'}"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:39]}…"
