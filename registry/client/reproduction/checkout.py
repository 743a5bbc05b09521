"""The repository of a version at its commit, in a fresh directory."""

from __future__ import annotations

from pathlib import Path

from registry.client.errors import CannotReproduce
from registry.client.reproduction import child
from registry.client.reproduction.recipe import Recipe, require_code

# Neither programs that an address names, nor hooks, nor questions for passwords.
_SAFE = {"GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
_OPTIONS = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "advice.detachedHead=false")


def clone(recipe: Recipe, directory: Path, *, timeout_seconds: float | None) -> None:
    """Clone the repository and check out the commit with its submodules. Raises CannotReproduce."""
    require_code(recipe)
    commit = str(recipe.commit)
    _git(["clone", "--quiet", "--no-checkout", "--", str(recipe.repo), str(directory)], f"cloning {recipe.repo}",
         timeout_seconds)  # fmt: skip
    in_checkout = ["-C", str(directory)]
    _git([*in_checkout, "checkout", "--quiet", "--detach", commit], f"checking out {commit}", timeout_seconds)
    head = _git([*in_checkout, "rev-parse", "HEAD"], f"checking out {commit}", timeout_seconds).strip()
    if not head.startswith(commit):  # git takes a tag or branch of this name before a shortened id
        raise CannotReproduce(
            f"{recipe.repo} has a tag or branch named {commit}, which git takes for the commit of {recipe.reference}."
        )
    if (directory / ".gitmodules").exists():
        _git([*in_checkout, "submodule", "update", "--quiet", "--init", "--recursive"], "fetching the submodules",
             timeout_seconds)  # fmt: skip


def command_directory(recipe: Recipe, checkout: Path) -> Path:
    """Return where the command runs: at the recorded path, if it is a directory of the repository, or at the root."""
    if not recipe.path:
        return checkout
    directory = (checkout / recipe.path).resolve()
    if not directory.is_relative_to(checkout.resolve()):
        raise CannotReproduce(f"the path {recipe.path!r} of {recipe.reference} leaves the repository.")
    return directory if directory.is_dir() else checkout


def _git(arguments: list[str], what: str, timeout_seconds: float | None) -> str:
    return child.prepare(["git", *_OPTIONS, *arguments], what, timeout_seconds=timeout_seconds, extra=_SAFE)
