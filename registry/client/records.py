"""The registry's answers as dictionaries that show what matters of them, and as flat rows for tables.

A record is the JSON object itself: ``record["number"]``, ``json.dumps(record)`` and ``dict(record)`` work as with any
dictionary. Only its ``repr`` is shorter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, cast

from registry.client import types
from registry.rules.units import size

_SHOWN = 6  # metrics of a version
_SECONDS = 19  # characters of a timestamp, up to its seconds


class Record(dict[str, Any]):
    """An answer of the registry."""


class VersionRecord(Record):
    """A version: ``<fraud:3 ready, production, 2 files, 1.2 MiB, @champion, auc=0.93>``."""

    def __repr__(self) -> str:
        return _describe_or_dump(self, _describe_version)


class ModelRecord(Record):
    """A model: ``<fraud, 3 versions, production: 3, @champion: 3>``."""

    def __repr__(self) -> str:
        return _describe_or_dump(self, _describe_model)


class RegisteredRecord(Record):
    """A registration: ``<created <fraud:3 …>>``."""

    def __repr__(self) -> str:
        return _describe_or_dump(
            self, lambda done: f"{'created' if done['created'] else 'was registered before:'} {_inner(done)}"
        )


class MovedRecord(Record):
    """A move: ``<fraud:3 staging -> production, instead of 2>``."""

    def __repr__(self) -> str:
        return _describe_or_dump(self, _moved)


class HolderRecord(Record):
    """Holder of a stage or an alias: ``<fraud:3 production since 2026-11-20T12:00:00Z, by alice>``."""

    def __repr__(self) -> str:
        return _describe_or_dump(self, _holder)


class EntryRecord(Record):
    """An entry of the history: ``<2026-11-20T12:00:00Z version.promoted fraud:3 by alice: approved>``."""

    def __repr__(self) -> str:
        return _describe_or_dump(self, _describe_entry)


class FileRecord(Record):
    """A file of a version: ``<weights/model.bin, 1.2 MiB, sha256:…, missing>``."""

    def __repr__(self) -> str:
        return _describe_or_dump(self, _describe_file)


_KINDS: Mapping[Any, type[Record]] = {
    types.VersionView: VersionRecord,
    types.ModelView: ModelRecord,
    types.RegisteredView: RegisteredRecord,
    types.MovedView: MovedRecord,
    types.HolderView: HolderRecord,
    types.AliasView: HolderRecord,
    types.TenureView: HolderRecord,
    types.EntryView: EntryRecord,
    types.FileView: FileRecord,
}


def of(shape: Any, value: Mapping[str, Any]) -> Any:
    """Return *value* as a record of its *shape*, one of the views; other shapes stay plain dictionaries."""
    kind = _KINDS.get(shape)
    if kind is None:
        return value
    record = kind(value)
    if kind in (RegisteredRecord, MovedRecord) and isinstance(record.get("version"), Mapping):
        record["version"] = VersionRecord(record["version"])
    return record


def rows(versions: Iterable[types.VersionView]) -> Iterator[dict[str, Any]]:
    """Yield each version as one flat row, for a table such as ``pandas.DataFrame(rows)``.

    The columns ``metrics.auc``, ``params.depth``, ``tags.team`` exist where a version has them; aliases and the
    names of datasets are joined with commas. ``created_at`` is a datetime in UTC. ``metrics.auc`` is the latest value,
    on any data; ``metrics.auc@sha256:…`` is the latest on one dataset, ``metrics.auc@sha256:…[country=DE]`` on a slice.
    """
    for version in versions:
        lineage = cast(dict[str, Any], version["lineage"])
        run, code = lineage.get("run") or {}, lineage.get("code") or {}
        row: dict[str, Any] = {
            name: version.get(name)
            for name in ("model", "number", "state", "stage", "description", "framework", "created_at", "created_by",
                         "file_count", "size", "manifest_digest")
        }  # fmt: skip
        row["created_at"] = datetime.fromisoformat(version["created_at"])
        row |= {
            "aliases": ",".join(version["aliases"]),
            "run": run.get("id"),
            "run_state": version.get("run_state"),
            "commit": code.get("commit"),
            "datasets": ",".join(dataset["name"] for dataset in lineage.get("datasets") or ()),
        }
        for kind in ("metrics", "params", "tags"):
            row |= {f"{kind}.{key}": value for key, value in cast(dict[str, Any], version)[kind].items()}
        row |= {
            f"metrics.{measured_name(one)}": one["value"]
            for one in version.get("evaluations") or ()  # an earlier release does not send them
            if one["dataset_digest"]
        }
        yield row


def measured_name(evaluation: types.EvaluationView) -> str:
    """Return the name of a metric with its data: ``auc@sha256:…``, on a slice ``auc@sha256:…[country=DE]``."""
    digest, part = evaluation["dataset_digest"], evaluation.get("slice")  # an earlier release does not send slices
    return evaluation["metric"] + (f"@{digest}" if digest else "") + (f"[{part}]" if part else "")


def _describe_or_dump(record: Record, describe: Callable[[Record], str]) -> str:
    """Describe the record; one that lacks what is described (of an older registry, or a part) as the dictionary."""
    try:
        return f"<{describe(record)}>"
    except (KeyError, TypeError, ValueError, AttributeError):
        return dict.__repr__(record)


def _describe_version(version: Record) -> str:
    stage = [] if version["stage"] == "none" else [version["stage"]]
    count = version["file_count"]
    files = [f"{count} file{'' if count == 1 else 's'}", size(version["size"])]
    aliases = [f"@{alias}" for alias in version["aliases"]]
    metrics = [f"{key}={value:.4g}" for key, value in version["metrics"].items()]
    more = ["…"] if len(metrics) > _SHOWN else []
    damaged = ["damaged"] if version.get("damaged") else []
    held = ["held"] if version.get("holds") else []
    run = ["run unfinished"] if version.get("run_state") == "unfinished" else []
    parts = [version["state"], *damaged, *held, *run, *stage, *files, *aliases, *metrics[:_SHOWN], *more]
    return f"{version['model']}:{version['number']} {', '.join(parts)}"


def _describe_file(file: Record) -> str:
    known = [file[key] for key in ("format", "damage") if file.get(key)]
    return ", ".join([file["path"], size(file["size"]), f"sha256:{file['sha256'][:12]}…", *known])


def _describe_model(model: Record) -> str:
    latest = model["latest_version"]
    parts = [model["name"], f"latest version {latest}" if latest else "no versions"]
    parts += [f"{stage}: {', '.join(map(str, numbers))}" for stage, numbers in model["stages"].items() if numbers]
    parts += [f"@{alias}: {number}" for alias, number in model["aliases"].items()]
    return ", ".join(parts + ([model["state"]] if model["state"] != "active" else []))


def _moved(move: Record) -> str:
    name = f"{move['model']}:{move['number']}"
    if not move["changed"]:
        return f"{name} is in {move['target']} already"
    displaced = f", instead of {move['displaced']}" if move["displaced"] is not None else ""
    would = "dry run: " if move["dry_run"] else ""
    return f"{would}{name} {move['source']} -> {move['target']}{displaced}"


def _holder(holder: Record) -> str:
    what = holder.get("stage") or f"@{holder['alias']}"
    actor = holder["actor"]
    until = f" until {_to_seconds(holder['until'])}" if holder["until"] else ""
    held = ", held" if holder.get("holds") else ""
    return f"{holder['model']}:{holder['number']} {what} since {_to_seconds(holder['since'])}{until}, by {actor}{held}"


def _describe_entry(entry: Record) -> str:
    about = "" if entry["model"] is None else f" {entry['model']}"
    about += "" if entry["version"] is None else f":{entry['version']}"
    reason = f": {entry['reason']}" if entry["reason"] else ""
    return f"{_to_seconds(entry['at'])} {entry['action']}{about} by {entry['actor']['name']}{reason}"


def _inner(done: Record) -> str:
    return repr(done["version"])


def _to_seconds(timestamp: str) -> str:
    return f"{timestamp[:_SECONDS]}Z"
