"""The stages of DVC pipelines: ``dvc.lock``, and what only ``dvc.yaml`` has of them.

Forms: dvc.org/doc/user-guide/project-structure/dvcyaml-files, with the lock file. Templates of ``dvc.yaml`` are not
evaluated: the lock has the results, and the paths of metrics are found among its outputs.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from registry.client.detect.dvc import checksums
from registry.client.files import pointers

LOCK, PIPELINE = "dvc.lock", "dvc.yaml"
MOST_BYTES = 2 << 20
_TEMPLATE = re.compile(r"\$\{\s*([^}]*?)\s*\}")


@dataclass(frozen=True, slots=True)
class Entry:
    """A dependency or an output: its absolute path, or its URL, and its digest, if the lock has an MD5.

    DVC 2 wrote no ``hash``, and digested text with ``unix_lines``.
    """

    path: Path
    digest: str | None
    size: int | None = None
    url: str | None = None
    unix_lines: bool = False


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage that ran; ``params`` are by file.

    ``metrics`` are files, each with the output that it is or that contains it. ``reports`` are the outputs of metrics
    and plots.
    """

    name: str
    lock: Path
    directory: Path
    command: tuple[str, ...]
    deps: tuple[Entry, ...]
    outs: tuple[Entry, ...]
    params: Mapping[str, Mapping[str, Any]]
    metrics: Mapping[Path, Entry]
    reports: frozenset[Path]

    @property
    def key(self) -> tuple[Path, str]:
        """What identifies the stage: names are unique within a pipeline."""
        return self.lock, self.name

    @property
    def only_reports(self) -> bool:
        """True for a stage that measures: all of its outputs are metrics and plots."""
        return bool(self.metrics) and all(out.path in self.reports for out in self.outs)


Output = tuple[Stage, Entry]


@dataclass(slots=True)
class Pipelines:
    """The pipelines in *root* and below it, read where they are asked for; ``warnings`` name those that are broken."""

    root: Path
    warnings: list[str] = field(default_factory=list)
    _stages: dict[Path, tuple[Stage, ...]] = field(default_factory=dict)
    _outs: dict[Path, list[Output]] = field(default_factory=dict)

    def making(self, path: Path, *, is_directory: bool) -> list[Output]:
        """Return the outputs that are *path*, hold it, or lie in it where it is a directory, with their stages.

        Reads the lock files in a directory and in those above it.
        """
        if not path.is_relative_to(self.root):
            return []
        for directory in (path, *path.parents) if is_directory else path.parents:
            self._read_once(directory)
            if directory == self.root:
                break
        outputs = [one for place in (path, *path.parents) for one in self._outs.get(place, ())]
        if is_directory:
            outputs += [one for place, made in self._outs.items() if path in place.parents for one in made]
        return outputs

    def known(self) -> list[Stage]:
        """Return the stages of the lock files that were read."""
        return [stage for stages in self._stages.values() for stage in stages]

    def shown(self, path: Path) -> str:
        """Return a path below the root for people, with slashes; another one as it is."""
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else str(path)

    def _read_once(self, directory: Path) -> None:
        if directory in self._stages:
            return
        self._stages[directory] = tuple(self._read(directory)) if (directory / LOCK).is_file() else ()
        for stage in self._stages[directory]:
            for out in stage.outs:
                self._outs.setdefault(out.path, []).append((stage, out))

    def _read(self, directory: Path) -> Iterator[Stage]:
        lock = self._document(directory / LOCK)
        stages = lock.get("stages", lock if "schema" not in lock else None)  # DVC 1 has the stages at the top
        if not isinstance(stages, dict):
            if lock:
                self._warn(directory / LOCK, "has no stages")
            return
        declared = self._document(directory / PIPELINE) if (directory / PIPELINE).is_file() else {}
        for name, stage in stages.items():
            if isinstance(name, str) and isinstance(stage, dict):
                yield from self._stage(directory, name, stage, declared)
            else:
                self._warn(directory / LOCK, f"has a stage that is no mapping: {str(name)[:50]!r}")

    def _document(self, path: Path) -> dict[Any, Any]:
        """Return what a file holds; empty, with a warning, where it cannot be read."""
        from registry.rules import yaml_documents  # slow to import, and most models have no pipeline

        try:
            with path.open("rb") as file:
                content = file.read(MOST_BYTES + 1)
            if len(content) > MOST_BYTES:
                raise ValueError(f"it has more than {MOST_BYTES >> 20} MiB")
            load = yaml_documents.load_untagged if path.name == LOCK else yaml_documents.load_texts
            document = load(content)
        except OSError as error:
            self._warn(path, f"cannot be read: {error.strerror}")
        except ValueError as error:
            self._warn(path, f"cannot be read: {' '.join(str(error).split())}")
        else:
            if isinstance(document, dict):
                return document
            self._warn(path, "holds no mapping")
        return {}

    def _warn(self, path: Path, problem: str) -> None:
        self.warnings.append(f"{self.shown(path)} {problem}; nothing is taken from it")

    def _stage(
        self, directory: Path, name: str, stage: Mapping[Any, Any], declared: Mapping[Any, Any]
    ) -> Iterator[Stage]:
        definition, item = _definition(declared, name)
        wdir = _filled(str(definition.get("wdir") or "."), item)
        if "${" in wdir:
            self.warnings.append(
                f"{self.shown(directory / PIPELINE)}: the wdir of the stage {name} is a template; nothing is taken "
                "from the stage"
            )
            return
        base = _normal(directory, wdir)
        outs = tuple(_paths_with_digests(stage.get("outs"), base))
        command = stage.get("cmd")
        commands = command if isinstance(command, list) else [command]
        params = stage.get("params")
        metrics, plots = (
            [
                *(_normal(base, path) for path in _paths(definition.get(kind))),
                *(_normal(directory, path) for path in _paths(declared.get(kind))),
            ]
            for kind in ("metrics", "plots")
        )
        measured = dict(_within(metrics, outs))
        yield Stage(
            name=name,
            lock=directory / LOCK,
            directory=base,
            command=tuple(line for line in commands if isinstance(line, str)),
            deps=tuple(_paths_with_digests(stage.get("deps"), base)),
            outs=outs,
            params={
                str(file): values
                for file, values in (params.items() if isinstance(params, dict) else ())
                if isinstance(values, dict)
            },
            metrics=measured,
            reports=frozenset(out.path for _, out in (*measured.items(), *_within(plots, outs))),
        )


def _definition(declared: Mapping[Any, Any], name: str) -> tuple[Mapping[Any, Any], str | None]:
    """Return what ``dvc.yaml`` says of a stage, and the item where the stage is one of ``foreach`` or ``matrix``."""
    stages = declared.get("stages")
    if not isinstance(stages, dict):
        return {}, None
    if isinstance(own := stages.get(name), dict):
        return own, None
    group, at, item = name.partition("@")
    template = stages.get(group)
    if not at or not isinstance(template, dict):
        return {}, None
    inner = template.get("do", template)
    return (inner if isinstance(inner, dict) else {}), item


def _paths_with_digests(listed: Any, base: Path) -> Iterator[Entry]:
    for entry in listed if isinstance(listed, list) else ():
        if not isinstance(entry, dict) or not isinstance(path := entry.get("path"), str) or not path:
            continue
        size = entry.get("size")
        yield Entry(
            _normal(base, path),
            pointers.dvc_digest(entry) or _digest_of_files(entry.get("files")),
            size if isinstance(size, int) else None,
            path if "://" in path else None,
            unix_lines="hash" not in entry,
        )


def _digest_of_files(listed: Any) -> str | None:
    """Return the digest of a directory whose files the lock lists, as it does for remotes that keep versions."""
    if not isinstance(listed, list) or not listed or not all(isinstance(file, dict) for file in listed):
        return None
    files = {str(file.get("relpath")): pointers.dvc_digest(file) for file in listed}
    plain = {path: digest.partition(":")[2] for path, digest in files.items() if digest}
    return f"md5:{checksums.listing(plain)}" if len(plain) == len(listed) else None


def _paths(listed: Any) -> Iterable[str]:
    """Yield the paths of metrics: each is a text, or a mapping from the path to its options."""
    for one in listed if isinstance(listed, list) else ():
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            yield from (path for path in one if isinstance(path, str))


def _within(declared: Iterable[Path], outs: Sequence[Entry]) -> Iterator[tuple[Path, Entry]]:
    """Yield the declared files that are outputs or lie in one; a template stands for any text."""
    for path in declared:
        literal = _TEMPLATE.split(str(path))[::2]
        pattern = re.compile(r".+".join(map(re.escape, literal)))
        for out in outs:
            if len(literal) == 1 and path.is_relative_to(out.path):
                yield path, out
            elif len(literal) > 1 and pattern.fullmatch(str(out.path)):
                yield out.path, out


def _filled(text: str, item: str | None) -> str:
    return _TEMPLATE.sub(lambda match: item if item and match[1] == "item" else match[0], text)


def _normal(base: Path, path: str) -> Path:
    """Return the absolute path without ``..``; links are not followed, as DVC may link outputs to its cache."""
    return Path(os.path.normpath(base / path))
