"""A new version from files: hash them, collect the facts, deliver the bytes and register."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypedDict, cast

from registry.client import data_origins, delivery, detect, errors, records, values
from registry.client.api.imports import Imports
from registry.client.api.models import Models
from registry.client.fields import given, several
from registry.client.files import credential_files, data, model_card, pointers, scan, value_files
from registry.client.files.selection import Selection
from registry.client.http.transport import Transport
from registry.client.progress import Progress
from registry.client.transfer.upload import SentFiles
from registry.client.types import (
    BaseModel,
    Code,
    Dataset,
    Environment,
    Evaluation,
    ImportView,
    Parent,
    RegisteredView,
    Run,
)
from registry.rules import commands, paths

_WHOLE = frozenset({"_schema"})  # what errors of a request as a whole are of
LISTS = frozenset({"aliases", "data", "datasets", "evaluations", "parents", "base_models"})

Data = str | Path | Dataset
"""A file or directory, a text as ``--data`` takes it, or a dataset as the API takes it."""


class Origin(TypedDict, total=False):
    """MLflow's words for where a version came from."""

    source: str | None
    run_link: str | None
    logged_model: str | None


class Facts(TypedDict, total=False):
    """The facts that may be registered with the files; None means that a fact is left out.

    ``params`` and ``metrics`` may be the paths of JSON or YAML files, whose nested values get keys with dots.
    ``evaluations`` are metrics that name their dataset; ``metrics`` those that do not.

    Scalars are taken as params, tags and metrics: also numpy's, decimals, times and members of enums. A metric that is
    NaN or infinite is kept with the run, as ``unmeasured``. ``data`` are paths, texts such as
    ``test=s3://bucket/test.csv@sha256:…``, and datasets as in ``datasets``.
    ``command`` is the command of the code. ``number`` and ``claimed``, the facts of another registry, need the
    permission ``version:import``.
    """

    description: str | None
    tags: Mapping[str, Any] | None
    params: Mapping[str, Any] | Path | None
    metrics: Mapping[str, Any] | Path | None
    evaluations: Sequence[Evaluation] | None
    framework: str | None
    signature: Mapping[str, Any] | None
    run: Run | None
    code: Code | None
    command: str | None
    environment: Environment | None
    data: Sequence[Data] | None
    datasets: Sequence[Dataset] | None
    parents: Sequence[Parent] | None
    base_models: Sequence[BaseModel] | None
    aliases: Sequence[str] | None
    origin: Origin | None
    number: int | None
    claimed: Mapping[str, Any] | None


class SentCounts(TypedDict):
    """Counts of a registration: files of the version, files that were sent, and their bytes."""

    files: int
    sent: int
    sent_bytes: int


class Dropped(TypedDict):
    """Paths of empty directories and of executable files; files whose names Windows cannot hold are kept."""

    empty_directories: list[str]
    executable_bits: list[str]
    not_on_windows: list[str]


class Registered(RegisteredView):
    """The registry's answer, what was uploaded for it, and what the version does not hold of the directory.

    ``ignored`` are the paths that the default patterns left out, ``dropped`` what a version cannot hold: empty
    directories, and the bit that makes a file executable. ``found`` is what was detected and registered, ``warnings``
    why some of it was not.
    """

    uploads: SentCounts
    ignored: list[str]
    dropped: Dropped
    found: list[detect.FoundFacts]
    warnings: list[str]


def register(  # noqa: PLR0913 -- options of one command, all of them named
    transport: Transport,
    model: str,
    source: Path,
    facts: Facts,
    *,
    selection: Selection,
    card: Path | None,
    allow_secrets: bool,
    follow_links: bool,
    detection: detect.Detection,
    update: bool,
    new_version: bool,
    jobs: int,
    idempotency_key: str | None,
    progress: Progress | None,
) -> Registered:
    """Register the files at *source* as a version of *model*, making the model if there is none.

    *card* is registered as README.md. Detected facts complete the stated ones.
    """
    stated = given(**facts)
    around = detect.join(stated, detect.origin(source, detection).captures())
    facts = plain(around.facts)
    noticed = scan.Noticed()
    found_files = selected(source, selection, allow_secrets=allow_secrets, follow_links=follow_links, noticed=noticed)
    if card is not None:
        found_files = model_card.with_card(found_files, card)
    files = scan.hashed(found_files, jobs=jobs, progress=progress, parts=True)
    captures = detect.facts_of(source, files, detection, code=stated.get("code"), datasets=facts.get("datasets") or ())
    if directory := stated.get("code", {}).get("path"):
        captures = [capture.in_directory(directory) for capture in captures]
    joined = detect.join(facts, captures)
    options = given(update=update or None, anew=new_version or None)

    def deliver(facts: Mapping[str, Any]) -> tuple[RegisteredView, SentFiles]:
        body = request_body(files, facts) | options
        return delivery.register(
            transport, model, body, files, jobs=jobs, progress=progress, idempotency_key=idempotency_key
        )

    try:
        view, sent = deliver(joined.facts)
    except (errors.Invalid, errors.FactsDiffer) as error:
        if (accepted := _accepted(error, captures, facts, update=update)) is None:
            raise
        # A registry of an earlier release does not know some facts, all facts together may be too large, and the
        # version that is there may have been registered without detection.
        joined = detect.join(facts, accepted)
        joined.warnings.append(f"detected facts are not recorded, as the registry refused them: {error.detail}")
        view, sent = deliver(joined.facts)
    warnings = [*around.warnings, *joined.warnings, *data_origins.state(transport, joined.origins)]
    uploaded: SentCounts = {"files": len(files), "sent": sent.files, "sent_bytes": sent.size}
    dropped: Dropped = {
        "empty_directories": sorted(noticed.empty),
        "executable_bits": sorted(noticed.executable),
        "not_on_windows": [file.path for file in files if paths.unportable(file.path)],
    }
    done = {**view, "uploads": uploaded, "ignored": sorted(noticed.ignored), "dropped": dropped}
    done |= {"found": around.found + joined.found, "warnings": warnings}
    return cast(Registered, records.of(RegisteredView, done))


def _accepted(
    error: errors.RegistryError, captures: Sequence[detect.Capture], stated: Mapping[str, Any], *, update: bool
) -> list[detect.Capture] | None:
    """Return the captures without what the registry refused; None if it refused a fact that is *stated*.

    Detected facts may be invalid, or the version that is there lacks them and they cannot be added.
    """
    captured = {kind for capture in captures for kind in capture.facts}
    if isinstance(error, errors.Invalid):
        return None if (captured | _WHOLE).isdisjoint(error.extras.get("errors") or ()) else []
    fixed = [one for one in error.extras.get("differences") or () if not (update and one["addable"])]
    if not fixed or not all(_is_only_captured(one, captured, stated) for one in fixed):
        return None
    lacking = {one["fact"].partition(".")[0] for one in fixed}
    return [capture.without(lacking) for capture in captures]


def _is_only_captured(difference: Mapping[str, Any], captured: set[str], stated: Mapping[str, Any]) -> bool:
    kind, _, key = difference["fact"].partition(".")
    known = stated.get(kind)
    is_stated = key in known if isinstance(known, Mapping) else known is not None
    return difference["kept"] is None and kind in captured and not is_stated


def selected(
    source: Path,
    selection: Selection,
    *,
    allow_secrets: bool,
    follow_links: bool = False,
    noticed: scan.Noticed | None = None,
) -> list[scan.Found]:
    """Return the files that are to be registered. Raises UnfitSource or HoldsCredentials for any that cannot be."""
    files = scan.scan(source, selection, follow_links=follow_links, noticed=noticed)
    pointers.refuse(files)
    if not allow_secrets:
        credential_files.refuse(files)
    return files


def import_from(
    transport: Transport,
    model: str,
    source: str,
    facts: Facts,
    *,
    default_ignores: bool,
    allow_secrets: bool,
    update: bool,
    idempotency_key: str | None,
) -> ImportView:
    """Have the registry copy the files below *source*, making the model if there is none."""
    body = {
        "source": source,
        **_stated_facts(plain(facts)),
        **given(update=update or None, allow_secrets=allow_secrets or None),
    }
    if not default_ignores:
        body["default_ignores"] = False
    start = partial(Imports(transport).start, model, idempotency_key=idempotency_key)
    if not delivery.exists(Models(transport), model):
        with suppress(errors.AlreadyExists):  # another job may be faster
            return start({**body, "create_model": True})
    return start(body)


def plain(facts: Mapping[str, Any]) -> Facts:
    """Return the given facts with values that JSON has. Raises ValueError or UnfitSource for what cannot be one."""
    said = given(**facts)
    for kind in LISTS & said.keys():
        said[kind] = several(said[kind], kind)
    if command := said.pop("command", None):
        if wrong := commands.problem(command):
            raise ValueError(f"the command {wrong}")
        said["code"] = {**said.get("code", {}), "command": command}
    if named := said.pop("data", None):
        said["datasets"] = [*said.get("datasets", ()), *map(_dataset_of, named)]
    if isinstance(said.get("params"), Path):
        said["params"] = value_files.params(said["params"])
    if isinstance(said.get("metrics"), Path):
        said["metrics"] = value_files.metrics(said["metrics"])
    for kind in ("params", "tags"):
        if kind in said:
            said[kind] = values.texts(said[kind], kind[:-1])
    run = _with_plain_values(said["run"], {}) if "run" in said else None
    if "evaluations" in said:
        said["evaluations"] = [{**one, "metrics": values.finite(one["metrics"])} for one in said["evaluations"]]
    if "metrics" in said:
        measured = said["metrics"]
        said["metrics"], special = values.numbers(measured)
        if special and run is None:
            values.finite(measured)
        run = _with_plain_values(run, special) if run is not None else None
    return cast(Facts, {**said, **given(run=run)})


def _dataset_of(named: Data) -> Dataset:
    if isinstance(named, str):
        return data.described(named)
    return data.of(named) if isinstance(named, Path) else named


def _with_plain_values(run: Mapping[str, Any], special: Mapping[str, str]) -> dict[str, Any]:
    """Return a run with plain values, whose ``unmeasured`` has the metrics that are no finite number."""
    metrics, unmeasured = values.numbers(run.get("metrics") or {})
    unmeasured = {**(run.get("unmeasured") or {}), **unmeasured, **special}
    converted: dict[str, Any] = {"metrics": metrics, "unmeasured": unmeasured}
    for kind in ("params", "tags"):
        converted[kind] = values.texts(run.get(kind) or {}, f"run's {kind[:-1]}")
    return {**run, **{name: value for name, value in converted.items() if value or name in run}}


def request_body(files: Sequence[scan.Hashed], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of the registering POST: the manifest, and the facts that are given."""
    manifest = [_manifest_line(file) for file in files]
    return {"files": manifest, **_stated_facts(facts)}


def _stated_facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts that are given, as the request has them."""
    said = given(**facts)
    origin: Origin = said.pop("origin", {})
    return {**said, **given(**origin)}


def _manifest_line(file: scan.Hashed) -> dict[str, Any]:
    """Return the entry of a file, without a media type: a guess depends on the machine, and would change the digest."""
    return {"path": file.path, "size": file.size, "sha256": file.sha256}
