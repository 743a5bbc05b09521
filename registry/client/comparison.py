"""Differences between two versions: files by their bytes, and facts by their names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from registry.client.records import measured_name
from registry.client.types import FileView, VersionView

COMPARED = ("params", "metrics", "tags", "framework", "signature", "description")


class Change(NamedTuple):
    """A value in the first version and in the second; None where a version has none."""

    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two versions, and what the second has otherwise than the first.

    ``files`` has the changes by path: the SHA-256 of each file. ``facts`` has the changes by name: ``metrics.auc``,
    ``params.depth``, ``code.commit``, ``datasets.train.csv``. A metric that names its dataset is
    ``metrics.auc@sha256:…``, and on a slice of it ``metrics.auc@sha256:…[country=DE]``: values on other data are not
    compared.
    """

    first: VersionView
    second: VersionView
    files: Mapping[str, Change]
    facts: Mapping[str, Change]

    @property
    def added(self) -> tuple[str, ...]:
        """The paths that only the second version has."""
        return tuple(path for path, change in self.files.items() if change.before is None)

    @property
    def removed(self) -> tuple[str, ...]:
        """The paths that only the first version has."""
        return tuple(path for path, change in self.files.items() if change.after is None)

    @property
    def changed(self) -> tuple[str, ...]:
        """The paths whose bytes differ."""
        return tuple(path for path, change in self.files.items() if None not in change)

    @property
    def same_files(self) -> bool:
        return not self.files

    @property
    def same(self) -> bool:
        """True if the versions have the same files and the same facts."""
        return not self.files and not self.facts

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
    before, after = ({file["path"]: file["sha256"] for file in files} for files in (first_files, second_files))
    return Comparison(
        first,
        second,
        files=_changed_values(before, after),
        facts=_changed_values(_flat_facts(first), _flat_facts(second)),
    )


def _changed_values(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Change]:
    """Return the values that differ, by name."""
    pairs = {name: Change(before.get(name), after.get(name)) for name in sorted(before.keys() | after.keys())}
    return {name: pair for name, pair in pairs.items() if pair.before != pair.after}


def _flat_facts(version: VersionView) -> dict[str, Any]:
    lineage: Mapping[str, Any] = version["lineage"]
    facts = {name: version.get(name) for name in COMPARED} | dict(lineage)
    facts["datasets"] = {item["name"]: item["digests"] for item in lineage.get("datasets") or ()}
    evaluations = version.get("evaluations") or []  # an earlier release does not send them
    named = {one["metric"] for one in evaluations}
    facts["metrics"] = {key: value for key, value in version["metrics"].items() if key not in named} | {
        measured_name(one): one["value"] for one in evaluations
    }
    facts["parents"] = [f"{parent['model']}:{parent['version']}" for parent in lineage.get("parents") or ()] or None
    return dict(_flat(facts, ""))


def _flat(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and name != "signature":
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else key)
    elif value is not None and value != "":
        yield name, value
