"""Options of ``register`` as the facts that are registered with a version."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from registry.rules import commands
from registry.rules.listing import listed

if TYPE_CHECKING:
    from registry.cli.support.session import Session
    from registry.client.detect import Detected
    from registry.client.detect.dvc import KnownDirectory
    from registry.client.types import BaseModel, Code, Dataset


def detected(source: Path, *, enabled: bool) -> Detected:
    """Return the run and the code around this process."""
    from registry.client.detect import Detected, around

    return around(source) if enabled else Detected()


def run(
    detected_run: Mapping[str, Any] | None, *, id: str | None, url: str | None, system: str | None, actor: str | None
) -> dict[str, Any] | None:
    """Return the run: as detected, with the options in place of detected values; None without an id.

    The detected run is dropped when the options name another system.
    """
    if system and detected_run and system != detected_run["system"]:
        detected_run = None
    options = {"system": system, "id": id, "url": url, "triggered_by": actor}
    merged = {"system": "manual", **(detected_run or {}), **{key: value for key, value in options.items() if value}}
    if "id" in merged:
        return merged
    if url or system or actor:
        raise click.UsageError("--run-url, --run-system and --triggered-by describe a run: name it with --run-id.")
    return None


def code(
    detected_code: Mapping[str, Any] | None,
    *,
    repo: str | None,
    commit: str | None,
    branch: str | None,
    command: str | None,
) -> dict[str, Any] | None:
    """Return the code: as detected, with the options in place of detected values.

    Values detected for another repository or another commit are left out.
    """
    from registry.client.detect import public_repository

    known = dict(detected_code or {})
    if repo and (address := public_repository(repo)) != known.get("repo"):
        if not address:
            raise click.BadParameter(f"{repo!r} is no address of a repository.", param_hint="--repo")
        known = {"repo": address}
    if commit and commit != known.get("commit"):
        known = {"repo": known.get("repo"), "commit": commit}
    if branch:
        known["branch"] = branch
    if known and not known.get("repo"):
        raise click.UsageError("--commit and --branch are of a repository: name it with --repo.")
    if command:
        if wrong := commands.problem(command):
            raise click.BadParameter(f"the command {wrong}.", param_hint="--command")
        known["command"] = command
    return known or None


def stated_code(
    code: Mapping[str, Any] | None, detected_code: Code | None
) -> tuple[dict[str, Any] | None, Code | None]:
    """Return what options state of the *code*, and what was detected of it: all but a command, or its directory."""
    stated = dict(code or {})
    command = {"command": stated.pop("command")} if "command" in stated else {}
    if stated == (detected_code or {}):
        return command or None, detected_code
    stated |= command
    path = stated.pop("path", None)  # no option names it
    return stated or None, {"path": path} if path else None


def environment(*, python: str | None, lock_file: Path | None, image_digest: str | None) -> dict[str, str] | None:
    """Return the environment that the options describe. This process may run elsewhere than the training."""
    environment_facts = {
        "python": python,
        "lock_digest": file_digest(lock_file) if lock_file else None,
        "image_digest": image_digest,
    }
    return {key: value for key, value in environment_facts.items() if value} or None


def base_model(text: str) -> BaseModel:
    """Return the base model that a value of --base-model describes. Raises BadParameter."""
    from registry.client.files import data

    with _blaming_option("--base-model"):
        return data.base_model(text)


def origins(session: Session, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parents and the base models, all with the derivation, if it is given. Raises UsageError."""
    parents: list[dict[str, Any]] = [{"model": one.model, "version": session.number(one)} for one in options["parents"]]
    bases: list[dict[str, Any]] = [{**base_model(text)} for text in options["base_models"]]
    if derivation := options["derivation"]:
        if not (parents or bases):
            raise click.UsageError("--derivation states how the version derives from a --parent or a --base-model.")
        parents, bases = ([one | {"relation": derivation} for one in each] for each in (parents, bases))
    return {"parents": some(parents), "base_models": some(bases)}


def dataset(text: str, option: str = "--data") -> Dataset:
    """Return the dataset that a value of *option* describes. Raises BadParameter, or SourceChanged."""
    from registry.client.files import data

    with _blaming_option(option):
        return data.described(text)


def sought_data(text: str) -> dict[str, str]:
    """Return what a question about data names: an address without a digest, otherwise digests.

    Files and directories here have those of DVC, too. Raises BadParameter, or SourceChanged.
    """
    from registry.client.detect.dvc import checksums
    from registry.client.files import data, scan

    names = "" if scan.exists(text) else " --dataset takes the name of a dataset."
    with _blaming_option("DATA", names):
        if (address := data.address_of(text)) is not None:
            return {"dataset": address}
        dataset = data.described(text)
        others = checksums.digests(Path(text)) if scan.exists(text) and not _is_pointer(Path(text)) else []
        return {"digest": " ".join([*dataset["digests"], *others])}


def _is_pointer(path: Path) -> bool:
    """Return whether the file stands for data that is elsewhere."""
    from registry.client.files import pointers, scan

    return path.is_file() and pointers.of(scan.single(path)) is not None


def directories_around(text: str) -> Sequence[KnownDirectory]:
    """Return the directories that DVC tracks as a whole and that hold the file or directory *text*; none elsewhere."""
    from registry.client.detect import dvc
    from registry.client.files import scan

    return dvc.around(Path(text)) if scan.exists(text) and not _is_pointer(Path(text)) else []


def file_digest(path: Path) -> str:
    """Return ``sha256:<hex>`` of a file."""
    from registry.client.files import scan

    return f"sha256:{scan.digest(path)}"


def merged_metrics(path: Path | None, metrics: Mapping[str, float], *, has_run: bool) -> dict[str, float] | None:
    """Return the numbers of a file and the options, which take precedence.

    Raises BadParameter for NaN and infinities without a run.
    """
    from registry.client.files import value_files

    with _blaming_option("--metrics-file"):
        numbers = {**(value_files.metrics(path) if path else {}), **metrics}
    special = [key for key, value in numbers.items() if not math.isfinite(value)]
    if special and not has_run:
        raise click.BadParameter(
            f"{path}: {listed([f'{key!r} is {numbers[key]}' for key in special])}. NaN and infinities are kept with a "
            "run only: name it with --run-id, or leave them out.",
            param_hint="--metrics-file",
        )
    return numbers or None


def merged_params(path: Path | None, params: Mapping[str, str]) -> dict[str, str] | None:
    """Return the values of a file as text, and the options, which win."""
    from registry.client import values
    from registry.client.files import value_files

    with _blaming_option("--params-file"):
        texts = values.texts(value_files.params(path), "param") if path else {}
    return {**texts, **params} or None


def signature(path: Path | None) -> dict[str, Any] | None:
    """Return the signature of the model: its inputs and outputs."""
    from registry.client.files import value_files

    with _blaming_option("--signature"):
        return value_files.document(path) if path else None


@contextmanager
def _blaming_option(option: str, hint: str = "") -> Iterator[None]:
    """Turn what cannot be read into wrong usage of the *option*, except a file that changes at the same time.

    *hint* follows the message.
    """
    from registry.client import errors

    try:
        yield
    except errors.SourceChanged:  # the command may be right: run again, it succeeds
        raise
    except (errors.UnfitSource, ValueError) as error:
        raise click.BadParameter(f"{getattr(error, 'detail', error)}{hint}", param_hint=option) from error


def some(values: Sequence[Any]) -> list[Any] | None:
    """Return the values, or None for none of them."""
    return list(values) or None
