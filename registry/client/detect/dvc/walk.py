"""The way from a model backwards through the stages of DVC pipelines, as facts.

A lock file describes a model only if the model has the digest that the lock names.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from registry.client import values
from registry.client.detect import git
from registry.client.detect.captures import Capture, DataOrigin
from registry.client.detect.dvc import checksums
from registry.client.detect.dvc.pipelines import LOCK, Entry, Output, Pipelines, Stage
from registry.client.errors import RegistryError, UnfitSource
from registry.client.fields import given
from registry.client.files import data, pointers, scan, value_files
from registry.client.files.paths import working_directory
from registry.rules import commands, lineage_limits
from registry.rules.listing import listed

if TYPE_CHECKING:
    from registry.client.types import DataJob, Dataset

_ROOTS = (".dvc", ".git")
_WORDS = re.compile(r"[a-z]+")
_TEST, _VALIDATION = {"test"}, {"val", "valid", "validation"}
# Of files that git tracks, these are data all the same; of others, the second are code.
_DATA = {".csv", ".tsv", ".parquet", ".jsonl", ".feather", ".arrow", ".npy", ".npz", ".h5", ".hdf5", ".avro", ".orc"}
_CODE = {".py", ".ipynb", ".sh", ".r", ".jl", ".sql", ".toml", ".yaml", ".yml", ".cfg", ".ini"}


def capture(source: Path, datasets: Sequence[Dataset] = ()) -> list[Capture]:
    """Return the facts of the stages that made the file or directory *source*; none where no pipeline did.

    Stated *datasets* that are the same files get DVC's digests. Reads lock files from *source* up to the root of DVC or
    git, the model, the stated data that DVC names, and files of metrics.
    """
    here = {absolute(one.path): one for one in datasets if isinstance(one, data.LocatedDataset)}
    captures = _of_pipeline(absolute(source), here)
    known = {digest for each in captures for one in each.facts.get("datasets", ()) for digest in one["digests"]}
    return [*captures, *_of_pointers({path: one for path, one in here.items() if known.isdisjoint(one["digests"])})]


def absolute(path: Path) -> Path:
    """Return an absolute path without ``..``. Links are not followed: DVC may link files to its cache."""
    return Path(os.path.normpath(working_directory() / path))


def root_of(source: Path) -> Path | None:
    """Return the root of DVC or git that the absolute path *source* is or is in; None outside of one."""
    return next((path for path in (source, *source.parents) if any((path / name).exists() for name in _ROOTS)), None)


def _of_pointers(datasets: Mapping[Path, data.LocatedDataset]) -> Iterator[Capture]:
    """Yield the digests of *datasets* that have a ``.dvc`` file, and the parts of directories that have one."""
    for path, dataset in datasets.items():
        place = path.with_name(path.name + pointers.DVC_SUFFIX)
        if place.is_file():
            digests, warnings = _digests(place, path)
            facts = {"datasets": [{"name": dataset["name"], "digests": [*digests, *dataset["digests"]]}]}
            yield Capture(place.name, facts if digests else {}, warnings)
        if path.is_dir():
            for place in islice(sorted(path.glob(f"*{pointers.DVC_SUFFIX}")), lineage_limits.DATASETS):
                digests, warnings = _digests(place, place.with_suffix(""))
                part = cast("Dataset", {"name": place.stem, "digests": digests})
                whole = cast("Dataset", {"name": dataset["name"], "digests": dataset["digests"]})
                origin = DataOrigin(part, part_of=(whole,), reason=f"{place.name} is in {path.name}")
                yield Capture(place.name, warnings=warnings, origins=(origin,) if digests else ())


def _digests(place: Path, path: Path) -> tuple[list[str], tuple[str, ...]]:
    """Return the digest that the ``.dvc`` file *place* names of *path*, and warnings; none that is another."""
    try:
        pointer = pointers.of(scan.single(place))
        if pointer is None:
            return [], ()
        if scan.exists(path) and checksums.matches(path, pointer.digest):
            return [pointer.digest], ()
    except RegistryError as error:
        return [], (f"{place.name}: {error.detail}",)
    return [], (f"{path.name} was changed since {place.name} was written",)


def _of_pipeline(source: Path, named: Mapping[Path, data.LocatedDataset]) -> list[Capture]:
    root = root_of(source)
    if root is None:
        return []
    pipelines = Pipelines(root)
    made = pipelines.making(source, is_directory=source.is_dir())
    made = [(stage, out) for stage, out in made if out.path not in stage.reports] or made
    if not made:
        return [Capture(LOCK, warnings=tuple(pipelines.warnings))] if pipelines.warnings else []
    name = pipelines.shown(made[0][0].lock)
    if problem := next(filter(None, (_difference(out, pipelines) for _, out in made)), None):
        return [Capture(name, warnings=(*pipelines.warnings, f"{name} {problem}; nothing is taken from it"))]
    walk = _Ancestry(pipelines, list({stage.key: stage for stage, _ in made}.values()), named)
    walk.run({out.path: out for _, out in made})
    return [Capture(name, walk.facts(), (*pipelines.warnings, *walk.warnings), tuple(walk.origins))]


def _difference(out: Entry, pipelines: Pipelines) -> str | None:
    """Return how an output differs from what the lock names; None where it does not."""
    shown = pipelines.shown(out.path)
    if out.digest is None:
        return f"names no MD5 of {shown}"
    try:
        if not os.path.lexists(out.path):
            return f"names {shown}, which is not there"
        if checksums.matches(out.path, out.digest, size=out.size, unix_lines=out.unix_lines):
            return None
    except RegistryError as error:
        return f"cannot be compared with {shown}: {error.detail}"
    return f"names another digest of {shown}: the stage did not make it, or it was changed since"


@dataclass(slots=True)
class _Ancestry:
    """Stages from those that made the model to the first; datasets by their path, the nearest first."""

    pipelines: Pipelines
    made: Sequence[Stage]
    named: Mapping[Path, data.LocatedDataset]
    stages: list[Stage] = field(default_factory=list)
    measuring: list[Stage] = field(default_factory=list)
    datasets: dict[Path, Dataset] = field(default_factory=dict)
    origins: list[DataOrigin] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def run(self, models: Mapping[Path, Entry]) -> None:
        """Go through the stages that made *models*, and those that measured them."""
        reached = {stage.key for stage in self.made}
        self.stages = [*self.made]
        for stage in self.stages:  # which grows
            for dep in stage.deps:
                for maker in self._makers(dep, stage):
                    if maker.key not in reached:
                        reached.add(maker.key)
                        self.stages.append(maker)
        self.measuring = [
            stage
            for stage in self.pipelines.known()
            if stage.key not in reached
            and stage.only_reports
            and any((out := models.get(dep.path)) and out.digest == dep.digest for dep in stage.deps)
        ]
        self._collect(models)

    def _makers(self, dep: Entry, stage: Stage) -> Iterator[Stage]:
        """Yield the stages that made a dependency, as the lock of the dependent stage names it."""
        for maker, out in self._outs(dep):
            if out.path != dep.path or out.digest == dep.digest:
                yield maker
            else:
                self.warnings.append(
                    f"{self.pipelines.shown(dep.path)} was made again by the stage {maker.name} after {stage.name} "
                    "read it; what it was made from is not recorded"
                )

    def _outs(self, dep: Entry) -> list[Output]:
        if dep.url:
            return []
        return self.pipelines.making(dep.path, is_directory=dep.digest is None or dep.digest.endswith(".dir"))

    def _collect(self, models: Mapping[Path, Entry]) -> None:
        every = [*self.stages, *self.measuring]
        tracked = git.tracked(self.pipelines.root, {dep.path for stage in every for dep in stage.deps if not dep.url})
        read: dict[tuple[Path, str], list[Entry]] = {}
        for stage in every:
            entries = [dep for dep in stage.deps if dep.path not in models and self._is_data(dep, tracked)]
            read[stage.key] = entries
            for dep in entries:
                if dep.path not in self.datasets:
                    self._add(dep, stage)
        for stage in self.stages:
            self._add_origins(stage, read[stage.key], models)

    def _is_data(self, dep: Entry, tracked: set[Path]) -> bool:
        if dep.url or self._outs(dep) or dep.path.with_name(dep.path.name + pointers.DVC_SUFFIX).is_file():
            return True
        suffix = dep.path.suffix.lower()
        return suffix in _DATA if dep.path in tracked else suffix not in _CODE

    def _add(self, dep: Entry, stage: Stage) -> None:
        name = dep.url or self.pipelines.shown(dep.path)
        if dep.digest is None:
            self.warnings.append(f"{name} has no MD5 in {self.pipelines.shown(stage.lock)}, and is not recorded")
            return
        dataset = self._dataset(dep, self._role(dep, stage))
        if named := self.named.get(dep.path):
            if _difference(dep, self.pipelines) is None:
                dataset["digests"] += named["digests"]
            else:
                self.warnings.append(f"{name} was changed since the stage {stage.name} read it; both are recorded")
        self.datasets[dep.path] = dataset

    def _dataset(self, entry: Entry, role: str | None = None) -> Dataset:
        name = entry.url and data.public_address(entry.url)
        # Of a path elsewhere on this machine, the name alone is of interest to others.
        here = entry.path.is_relative_to(self.pipelines.root)
        shown = name or (self.pipelines.shown(entry.path) if here else entry.path.name)
        described = given(
            name=shown[-lineage_limits.DATASET_NAME_LENGTH :],
            digests=[entry.digest],
            uri=name or self._imported_from(entry),
            role=role,
        )
        return cast("Dataset", described)

    def _role(self, dep: Entry, stage: Stage) -> str:
        words = set(_WORDS.findall(dep.path.name.lower()))
        if words & _TEST or stage in self.measuring:
            return "test"
        if words & _VALIDATION:
            return "validation"
        return "train" if stage in self.made else "other"

    def _imported_from(self, entry: Entry) -> str | None:
        """Return the address that ``dvc import-url`` read the data from, if its ``.dvc`` file has the same digest."""
        path = entry.path.with_name(entry.path.name + pointers.DVC_SUFFIX)
        try:
            pointer = pointers.of(scan.single(path)) if path.is_file() else None
        except RegistryError:  # the data is known by the lock, without an address
            return None
        if pointer is None or pointer.digest != entry.digest or not pointer.uri:
            return None
        return data.public_address(pointer.uri)

    def _add_origins(self, stage: Stage, read: Sequence[Entry], models: Mapping[Path, Entry]) -> None:
        """Add what a stage made data from, and which data is a part of other data."""
        why = f"the stage {stage.name} of {self.pipelines.shown(stage.lock)}"
        sources = [self._without_role(dep.path) for dep in read if dep.path in self.datasets]
        for out in stage.outs:
            parts = [path for path in self.datasets if path != out.path and path.is_relative_to(out.path)]
            if out.digest is None or out.path in models or not (out.path in self.datasets or parts):
                continue
            made = self._dataset(out)
            # A stage may have copied its data, which is then the same data.
            others = tuple(one for one in sources if not set(one["digests"]) & set(made["digests"]))
            if others:
                self.origins.append(DataOrigin(made, others, job=self._job(stage), reason=why))
            self.origins += [DataOrigin(self._without_role(path), part_of=(made,), reason=why) for path in parts]

    def _without_role(self, path: Path) -> Dataset:
        return cast("Dataset", {key: value for key, value in self.datasets[path].items() if key != "role"})

    def _job(self, stage: Stage) -> DataJob:
        return {"namespace": f"dvc:{self.pipelines.root.name}", "name": stage.name}

    def facts(self) -> dict[str, Any]:
        """Return the facts of all stages, those of the nearest first."""
        return given(
            datasets=list(self.datasets.values()),
            params=self._params(),
            metrics=self._metrics(),
            code=self._code(),
        )

    def _params(self) -> dict[str, str]:
        params: dict[str, str] = {}
        for stage in (*self.stages, *self.measuring):
            for file, nested in stage.params.items():
                try:
                    texts = values.texts(value_files.scalars(stage.directory / file, nested), "param")
                except (UnfitSource, ValueError) as error:
                    self.warnings.append(f"the params of the stage {stage.name}: {getattr(error, 'detail', error)}")
                    continue
                for key, value in texts.items():
                    params.setdefault(key if params.get(key, value) == value else f"{file}:{key}", value)
        return params

    def _metrics(self) -> dict[str, float]:
        metrics: dict[str, float] = {}
        for stage in (*self.made, *self.measuring, *self.stages[len(self.made) :]):
            for path, out in stage.metrics.items():
                for key, value in self._numbers(path, out).items():
                    own = metrics.get(key, value) == value
                    metrics.setdefault(key if own else f"{self.pipelines.shown(path)}:{key}", value)
        return metrics

    def _numbers(self, path: Path, out: Entry) -> dict[str, float]:
        name = self.pipelines.shown(path)
        if problem := _difference(out, self.pipelines):
            self.warnings.append(f"the metrics of {name} are not taken: the lock {problem}")
            return {}
        try:
            numbers = value_files.flat(path, value_files.document(path))
        except UnfitSource as error:
            self.warnings.append(f"the metrics of {name} are not taken: {error.detail}")
            return {}
        numbers = {
            key: value
            for key, value in numbers.items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        }
        if special := [key for key, value in numbers.items() if not math.isfinite(value)]:
            self.warnings.append(f"{name}: left out, as no finite numbers: {listed(special)}")
        return {key: value for key, value in numbers.items() if math.isfinite(value)}

    def _code(self) -> dict[str, str | None] | None:
        """Return the command of the stage that made the model, and its directory in the repository."""
        if len(self.made) != 1:
            return None
        (stage,) = self.made
        command = " && ".join(stage.command)
        if not command:
            return None
        if problem := _problem_of_command(command):
            self.warnings.append(f"the command of the stage {stage.name} is not recorded: it {problem}")
            return None
        top, here = git.top(self.pipelines.root), stage.directory.resolve()
        path = here.relative_to(top).as_posix() if top and here.is_relative_to(top) else "."
        return {"command": command, "path": None if path == "." else path}


def _problem_of_command(command: str) -> str | None:
    if len(command) > lineage_limits.COMMAND_LENGTH:
        return f"must have at most {lineage_limits.COMMAND_LENGTH} characters"
    return commands.problem(command)
