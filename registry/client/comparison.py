"""What differs between two versions: files by their bytes, and facts by their names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from registry.client.types import FileView, VersionView

COMPARED = ("params", "metrics", "tags", "framework", "signature", "description")


class Change(NamedTuple):
    """A value in the first version and in the second; None where a version has none."""

    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two versions, and what the second has otherwise than the first.

    ``facts`` has the changes by name: ``metrics.auc``, ``params.depth``, ``code.commit``, ``datasets.train.csv``. A
    metric that names its dataset is ``metrics.auc@sha256:…``: values on other data are not compared.
    """

    first: VersionView
    second: VersionView
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    facts: Mapping[str, Change]

    @property
    def same_files(self) -> bool:
        return not (self.added or self.removed or self.changed)

    def __repr__(self) -> str:
        names = [f"{version['model']}:{version['number']}" for version in (self.first, self.second)]
        return "\n".join([f"<Comparison {names[0]} with {names[1]}>", *self._lines()])

    def _lines(self) -> Iterator[str]:
        for sign, paths in (("+", self.added), ("-", self.removed), ("~", self.changed)):
            yield from (f"  {sign} {path}" for path in paths)
        for name, change in self.facts.items():
            yield f"  {name}: {change.before!r} -> {change.after!r}"


def compare(
    first: VersionView, first_files: Iterable[FileView], second: VersionView, second_files: Iterable[FileView]
) -> Comparison:
    """Return what differs between two versions."""
    before = {file["path"]: file["sha256"] for file in first_files}
    after = {file["path"]: file["sha256"] for file in second_files}
    old, new = _facts(first), _facts(second)
    return Comparison(
        first,
        second,
        added=tuple(sorted(after.keys() - before.keys())),
        removed=tuple(sorted(before.keys() - after.keys())),
        changed=tuple(sorted(path for path in before.keys() & after.keys() if before[path] != after[path])),
        facts={
            name: Change(old.get(name), new.get(name))
            for name in sorted(old.keys() | new.keys())
            if old.get(name) != new.get(name)
        },
    )


def _facts(version: VersionView) -> dict[str, Any]:
    lineage: Mapping[str, Any] = version["lineage"]
    told = {name: version.get(name) for name in COMPARED} | dict(lineage)
    told["datasets"] = {item["name"]: item["digests"] for item in lineage.get("datasets") or ()}
    evaluations = version.get("evaluations") or []  # an earlier release does not send them
    named = {one["metric"] for one in evaluations}
    told["metrics"] = {key: value for key, value in version["metrics"].items() if key not in named} | {
        one["metric"] + (f"@{one['dataset_digest']}" if one["dataset_digest"] else ""): one["value"]
        for one in evaluations
    }
    told["parents"] = [f"{parent['model']}:{parent['version']}" for parent in lineage.get("parents") or ()] or None
    return dict(_flat(told, ""))


def _flat(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and name != "signature":
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else key)
    elif value is not None and value != "":
        yield name, value
