"""The run of a recipe in a fresh directory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from registry.client.errors import CannotReproduce
from registry.client.files import scan, value_files
from registry.client.reproduction import checkout, child, datasets, environments, outcome, project
from registry.client.reproduction.environments import CWD, EnvironmentOptions
from registry.client.reproduction.outcome import Outcome
from registry.client.reproduction.project import Project
from registry.client.reproduction.recipe import Recipe, RecipeData
from registry.rules import commands

SECONDS_TO_END = 60
METRICS_FILES = ("metrics.json", "metrics.yaml", "metrics.yml")

Stamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The caller's choices; paths of results are relative to the directory of the command."""

    environment: EnvironmentOptions
    data: Mapping[str, Path] = field(default_factory=dict)
    data_from_run: bool = False
    entry_point: str = project.MAIN
    result: str | None = None
    metrics_file: str | None = None
    tolerance: float = 0.0
    timeout_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class PreparedRun:
    """A checkout with its data, and the command that is to run in it. Nothing of the repository was executed."""

    recipe: Recipe
    command: str
    project: Project | None
    workspace: Path
    checkout: Path
    directory: Path
    awaited: Sequence[RecipeData]


def prepare(recipe: Recipe, workspace: Path, options: RunOptions) -> PreparedRun:
    """Clone the code into the empty directory *workspace* and find command and data. Raises CannotReproduce."""
    top = workspace / "checkout"
    checkout.clone(recipe, top, timeout_seconds=options.timeout_seconds)
    directory = checkout.command_directory(recipe, top)
    found = _project(top, directory)
    command = recipe.command or _project_command(recipe, found, options.entry_point)
    if wrong := commands.problem(command):
        raise CannotReproduce(f"the command {wrong}.")
    awaited = datasets.provide(recipe.data, top, directory, options.data, made_by_run=options.data_from_run)
    return PreparedRun(recipe, command, found, workspace, top, directory, awaited)


def execute(run: PreparedRun, options: RunOptions, pull: Callable[[str, Path], object]) -> Outcome:
    """Make the environment, run the command and compare what it made with the version. Raises CannotReproduce.

    *pull* downloads a file of the version into a directory.
    """
    files = run.workspace / "environment-files"
    if run.recipe.lock_file and not options.environment.current:
        pull(run.recipe.lock_file, files)
    environment = environments.prepare(
        run.recipe, run.project, run.checkout, files, run.workspace / "environment", options.environment
    )
    home = run.workspace / "home"  # the child finds no saved login in it
    home.mkdir()
    own = {"HOME": str(home), "USERPROFILE": str(home), "XDG_CONFIG_HOME": str(home / ".config")}
    env = child.environ({**own, **environment.variables})
    if environment.bin:
        env["PATH"] = f"{environment.bin}{os.pathsep}{env.get('PATH', os.defpath)}"
    before = dict(_stamps(run.checkout))
    prefix = [str(run.directory) if part == CWD else part for part in environment.prefix]
    command = [*prefix, *_shell(run.command)]
    try:
        child.train(command, cwd=run.directory, timeout_seconds=options.timeout_seconds, env=env)
    finally:
        if environment.end:
            with suppress(CannotReproduce):  # a container that ended is gone
                child.prepare(environment.end, "ending the container", timeout_seconds=SECONDS_TO_END)
    written = {path for path, stamp in _stamps(run.checkout) if before.get(path) != stamp}
    datasets.require_made(run.awaited, run.checkout)
    return outcome.compare(
        run.recipe.files,
        _made_files(run, written, options.result),
        run.recipe.metrics,
        _written_metrics(run, written, options.metrics_file),
        tolerance=options.tolerance,
    )


def _shell(command: str) -> list[str]:
    return [os.environ.get("COMSPEC", "cmd"), "/c", command] if os.name == "nt" else ["/bin/sh", "-c", command]


def _project(top: Path, directory: Path) -> Project | None:
    """Return the MLflow Project in the directory of the command, or at the root."""
    for place in dict.fromkeys((directory, top)):
        file = place / project.FILE_NAME
        if file.is_file() and file.resolve().is_relative_to(top.resolve()):
            try:
                with file.open("rb") as stream:
                    return project.parse(stream.read(project.MOST_BYTES + 1))
            except ValueError as error:
                raise CannotReproduce(f"{project.FILE_NAME} {error}.") from error
    return None


def _project_command(recipe: Recipe, found: Project | None, entry_point: str) -> str:
    if found is None:
        raise CannotReproduce(
            f"the command that trains {recipe.reference} is not recorded, and the repository has no "
            f"{project.FILE_NAME}. Register with --command."
        )
    try:
        return project.command(found, recipe.params, entry_point)
    except ValueError as error:
        raise CannotReproduce(f"{project.FILE_NAME} {error}.") from error


def _stamps(top: Path) -> Iterator[tuple[Path, Stamp]]:
    for directory, subdirectories, files in os.walk(top):
        subdirectories[:] = [one for one in subdirectories if one != ".git"]
        for name in files:
            path = Path(directory, name)
            status = path.lstat()
            yield path, (status.st_mtime_ns, status.st_size, status.st_ino)


def _made_files(run: PreparedRun, written: set[Path], result: str | None) -> dict[str, str]:
    """Return SHA-256 digests in hex of the written files, by the paths that they have in the version.

    Without *result*, the directory is the one with the most of the version's paths.
    """
    registered = run.recipe.files
    if result is not None:
        root = _inside(run, result, "--output")
        root = root.parent if root.is_file() else root
    else:
        roots: dict[Path, int] = {}
        for path in registered:
            depth = len(Path(path).parts)
            for file in written:
                if file.parts[-depth:] == Path(path).parts:
                    root = file.parents[depth - 1]
                    roots[root] = roots.get(root, 0) + 1
        if not roots:
            return {}
        root = min(roots, key=lambda one: (-roots[one], len(one.parts), str(one)))
    return {path: scan.digest(root / path) for path in registered if root / path in written}


def _written_metrics(run: PreparedRun, written: set[Path], named: str | None) -> dict[str, float]:
    if named is not None:
        return value_files.metrics(_inside(run, named, "--metrics-file"))
    found = sorted(path for path in written if path.name in METRICS_FILES)
    if len(found) > 1:
        raise CannotReproduce(f"the run wrote {len(found)} files of metrics: choose one with --metrics-file.")
    return value_files.metrics(found[0]) if found else {}


def _inside(run: PreparedRun, name: str, option: str) -> Path:
    path = (run.directory / name).resolve()
    if not path.is_relative_to(run.checkout.resolve()):
        raise CannotReproduce(f"{option} {name} leaves the repository.")
    if not path.exists():
        raise CannotReproduce(f"the run did not write {name} ({option}).")
    return path
