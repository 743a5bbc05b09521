"""The recipe of a version: what its registration named of code, environment, data and command."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from registry.client.errors import CannotReproduce
from registry.client.types import FileView, GraphView, VersionView
from registry.rules.listing import listed

MEASURED = "reproduced"  # the metric of the outcome, and before a dot the beginning of the measured ones
LOCK_FILES = ("uv.lock", "requirements.txt", "python_env.yaml", "conda.yaml", "environment.yml", "environment.yaml")
_COMMIT = re.compile(r"[0-9a-f]{7,64}\Z")
# A scheme that git fetches without running a program that the address names, user@host:path, or an absolute path.
_ADDRESS = re.compile(r"(?:(?:https?|ssh|git|file)://|[A-Za-z0-9_][\w.-]*@[\w.-]+:|/|[A-Za-z]:[\\/])")


@dataclass(frozen=True, slots=True)
class RecipeData:
    """Data that the version used; any of the digests identifies it."""

    name: str
    role: str
    digests: Sequence[str]
    uri: str | None = None


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a version is built again from. None means that it is not recorded.

    ``lock_file`` is the file of the version that has the digest of the lock file. ``files`` are SHA-256 digests in hex
    by path.
    """

    reference: str
    repo: str | None
    commit: str | None
    path: str | None
    dirty: bool | None
    command: str | None
    python: str | None
    lock_digest: str | None
    lock_file: str | None
    image_digest: str | None
    data: Sequence[RecipeData]
    params: Mapping[str, str]
    files: Mapping[str, str]
    metrics: Mapping[str, float]

    def document(self) -> dict[str, Any]:
        """Return the recipe as JSON has it."""
        return asdict(self)


def of(version: VersionView, files: Sequence[FileView], graph: GraphView, *, repo: str | None = None) -> Recipe:
    """Return the recipe of a version with its files and the graph of one step upwards; *repo* replaces its address."""
    lineage = version["lineage"]
    code, environment = lineage["code"] or {}, lineage["environment"] or {}
    digests = {file["path"]: file["sha256"] for file in files}
    lock = environment.get("lock_digest")
    return Recipe(
        reference=f"{version['model']}:{version['number']}",
        repo=repo or code.get("repo"),
        commit=code.get("commit") or None,
        path=code.get("path"),
        dirty=code.get("dirty"),
        command=code.get("command"),
        python=environment.get("python"),
        lock_digest=lock,
        lock_file=next((path for path, digest in digests.items() if f"sha256:{digest}" == lock), None),
        image_digest=environment.get("image_digest"),
        data=list(_used_data(graph)),
        params=version["params"],
        files=digests,
        metrics={name: value for name, value in version["metrics"].items() if not is_of_reproduction(name)},
    )


def is_of_reproduction(metric: str) -> bool:
    """Return whether a metric records the outcome of a reproduction."""
    return metric == MEASURED or metric.startswith(f"{MEASURED}.")


def _used_data(graph: GraphView) -> Iterator[RecipeData]:
    for edge in graph["edges"]:
        if edge["kind"] == "used" and edge["source"] == 0:
            node = graph["nodes"][edge["target"]]
            yield RecipeData(node["name"], edge["role"] or "other", node["digests"], node["facts"].get("uri"))


def require_code(recipe: Recipe) -> None:
    """Raise CannotReproduce unless the recipe has a repository that can be cloned and a clean commit."""
    if recipe.dirty:
        raise CannotReproduce(
            f"{recipe.reference} was made from a checkout with uncommitted changes: its code is not in the repository."
        )
    if recipe.commit is None or not _COMMIT.match(recipe.commit):
        raise CannotReproduce(f"the commit of {recipe.reference} is not recorded; register with --commit.")
    if recipe.repo is None or not _ADDRESS.match(recipe.repo):
        named = f"{recipe.repo!r} is no address" if recipe.repo else "it is not recorded"
        raise CannotReproduce(f"the repository of {recipe.reference} cannot be cloned: {named}. Give --repo URL.")


def steps(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Yield the steps that build the version again: what a step is for, and its command or what is not recorded."""
    dirty = "; it had uncommitted changes" if recipe.dirty else ""
    if recipe.repo and recipe.commit:
        if _ADDRESS.match(recipe.repo):
            yield "code", f"git clone -- {shlex.quote(recipe.repo)} checkout"
        else:
            yield "code", f"the repository {recipe.repo!r} has no recorded address: give --repo URL"
        yield "commit", f"git -C checkout checkout --detach {shlex.quote(recipe.commit)}{dirty}"
    else:
        yield "code", f"not recorded ({recipe.repo or 'no repository'}, {recipe.commit or 'no commit'})"
    yield "environment", _environment(recipe)
    for one in recipe.data:
        where = f" from {one.uri}" if one.uri else ""
        yield "data", f"{one.name} ({one.role}){where} {' '.join(one.digests)}"
    if not recipe.data:
        yield "data", "none recorded"
    if recipe.params:
        yield "params", listed([f"{name}={value}" for name, value in recipe.params.items()])
    where = f"cd {shlex.quote(f'checkout/{recipe.path}')} && " if recipe.path else "cd checkout && "
    yield "command", where + recipe.command if recipe.command else "not recorded; --run takes that of MLproject, if any"


def _environment(recipe: Recipe) -> str:
    if recipe.image_digest:
        return f"the container image with the digest {recipe.image_digest}"
    python = f"Python {recipe.python}, " if recipe.python else ""
    if recipe.lock_file:
        return (
            f"{python}{recipe.lock_file} of {recipe.reference}: "
            f"registry pull {recipe.reference} --include {shlex.quote(recipe.lock_file)} -o environment"
        )
    if recipe.lock_digest:
        return f"{python}the lock file with the digest {recipe.lock_digest}, of the repository"
    return f"{python}no lock file or image is recorded"
