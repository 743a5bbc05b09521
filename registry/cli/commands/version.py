"""``registry version``: immutable numbered snapshots of a model."""

from __future__ import annotations

import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from registry.cli.support import evaluations, formatting, output, progress_bar
from registry.cli.support.cells import Digest, Moment
from registry.cli.support.options import connected, fields, limit, reason, unsafe_paths, wait
from registry.cli.support.parsing import METRIC, MODEL, REFERENCE, SLICE, distinct
from registry.cli.support.session import Session
from registry.domain.stages import Stage
from registry.domain.states import VersionState

if TYPE_CHECKING:
    from registry.cli.support.parsing import Metric
    from registry.client import Reference
    from registry.client.types import ImportView
    from registry.client.types import Stage as StageName

STAGE = click.Choice([stage.value for stage in Stage])
STATE = click.Choice([state.value for state in VersionState])


@click.group()
def version() -> None:
    """List, describe, measure and delete versions."""


@version.command("list")
@click.argument("name", type=MODEL)
@click.option("--stage", type=STAGE, help="Only those in this stage.")
@click.option("--state", type=STATE, help="Only those in this state.")
@fields
@limit(50)
@connected
def list_(
    session: Session, name: str, stage: StageName | None, state: str | None, fields: tuple[str, ...], limit: int
) -> None:
    """List a model's versions, newest first.

    \b
    Example:
      registry version list fraud --stage archived
    """
    field_names = session.fields(formatting.VERSION_FIELDS, fields)
    versions = session.registry.versions.list(name, stage=stage, state=state, fields=field_names)
    empty = formatting.NO_VERSIONS if stage or state else f"{name} has no versions"
    session.list(versions, formatting.VERSION_COLUMNS, formatting.version_row, empty=empty, limit=limit)


@version.command()
@click.argument("ref", type=REFERENCE)
@connected
def show(session: Session, ref: Reference) -> None:
    """Show one version. A model without a selector means its latest.

    \b
    Example:
      registry version show fraud:3
    """
    resolved = session.registry.resolve(ref)
    session.show(resolved, lambda: formatting.version(resolved))


@version.command()
@click.argument("ref", type=REFERENCE)
@click.option("--description", metavar="TEXT", required=True, help="The new description.")
@reason()
@connected
def edit(session: Session, ref: Reference, description: str, reason: str | None) -> None:
    """Change a version's description. (Tags: registry tag.)

    \b
    Example:
      registry version edit fraud:3 --description "retrained on October"
    """
    number = session.number(ref)
    changed = session.registry.versions.edit(ref.model, number, description=description, reason=reason)
    session.show(changed, lambda: output.line(f"{ref.model}:{number} changed"))


@version.command()
@click.argument("ref", type=REFERENCE)
@reason()
@connected
def delete(session: Session, ref: Reference, reason: str | None) -> None:
    """Delete a version that serves nowhere. It can be restored; its lineage and history stay.

    \b
    Example:
      registry version delete fraud:1 --reason "trained on wrong labels"
    """
    number = session.number(ref)
    gone = session.registry.versions.delete(ref.model, number, reason=reason)
    session.show(gone, lambda: output.line(f"{ref.model}:{number} deleted; registry version restore brings it back"))


@version.command()
@click.argument("ref", type=REFERENCE)
@reason()
@connected
def restore(session: Session, ref: Reference, reason: str | None) -> None:
    """Bring a deleted version back.

    \b
    Example:
      registry version restore fraud:1
    """
    number = session.number(ref)
    back = session.registry.versions.restore(ref.model, number, reason=reason)
    session.show(back, lambda: output.line(f"{ref.model}:{number} restored"))


@version.command()
@click.argument("ref", type=REFERENCE)
@limit(0)
@connected
def files(session: Session, ref: Reference, limit: int) -> None:
    """List a version's files with their sizes, digests and formats, and those whose bytes are missing or corrupt.

    The format is that of the content, whatever the name. "pickle !" can execute code when it is loaded; what "zstd ?"
    executes is not decided. Workers recognise it shortly after the upload.

    \b
    Example:
      registry version files fraud#production
    """
    listed = session.registry.versions.files(ref.model, session.registry.number(ref))
    session.list(
        listed, ("path", "bytes", "sha256", "format", "damage"), _file_row, empty=f"{ref} has no files", limit=limit
    )


@version.command()
@click.argument("ref", type=REFERENCE)
@limit(100)
@connected
def metrics(session: Session, ref: Reference, limit: int) -> None:
    """List all measurements of a version.

    \b
    Example:
      registry version metrics fraud:3
    """
    values = session.registry.versions.metrics(ref.model, session.registry.number(ref))
    columns = ("metric", "value", "step", "dataset", "slice", ("time", "by"))
    session.list(values, columns, _metric_row, empty=f"{ref} was not measured", limit=limit)


@version.command()
@click.argument("ref", type=REFERENCE)
@limit(20)
@connected
def notes(session: Session, ref: Reference, limit: int) -> None:
    """List the comments on a version, newest first. (To comment: registry note.)

    \b
    Example:
      registry version notes fraud:3
    """
    written = session.registry.versions.notes(ref.model, session.number(ref), limit=limit + 1 if limit else None)
    session.list(written, ("time", "by", "note"), _note_row, empty=f"{ref} has no notes", limit=limit)


@version.command()
@click.argument("ref", type=REFERENCE)
@click.argument("arguments", metavar="[METRIC=NUMBER]...", nargs=-1, type=METRIC)
@click.option("--metric", "values", multiple=True, type=METRIC, help="E.g. auc=0.95, or f1=0.8@test.csv.")
@click.option("--step", type=click.IntRange(min=0), help="The training step of the measurement.")
@click.option(
    "--data",
    "--dataset-digest",
    metavar="DATA",
    help="The dataset of the measurement: a file, a digest, or a dataset of the version.",
)
@click.option("--slice", "part", type=SLICE, help="The slice of that dataset, e.g. country=DE.")
@connected
def measure(session: Session, ref: Reference, *, data: str | None, part: str | None, **options: Any) -> None:
    """Add an evaluation. Earlier values stay.

    The data is a file here, a digest such as sha256:…, or the name of a dataset that the version was registered with.
    The same metric on two datasets, or on two slices of one, is two values.

    \b
    Example:
      registry version measure fraud:3 auc=0.95 f1=0.81 --data october.csv
      registry version measure fraud:3 auc=0.91 --data october.csv --slice country=DE
    """
    values: list[Metric] = [*options["arguments"], *options["values"]]
    if not values:
        raise click.UsageError("Name a metric and its value, e.g. auc=0.95.")
    dataset = evaluations.measured_on(values, data)
    if part and not dataset:
        raise click.UsageError("A slice is a part of a dataset: name it with --data.")
    measured = distinct(((key, value) for key, value, _ in values), "--metric")
    number = session.number(ref)
    changed = session.registry.versions.measure(
        ref.model, number, measured, step=options["step"], slice=part, **dataset
    )
    on = f" on {label}" if (label := evaluations.label(dataset)) else ""
    on += f", slice {part}" if part else ""
    session.show(changed, lambda: output.line(f"{ref.model}:{number} {output.joined(measured)}{on}"))


@version.command()
@click.argument("ref", type=REFERENCE)
@click.option("-o", "--output", "target", required=True, metavar="FILE", help="The tar file to write; - for stdout.")
@unsafe_paths
@connected
def tar(session: Session, ref: Reference, target: str, allow_unsafe_paths: bool) -> None:
    """Download a version as one uncompressed tar file, verified. (As a directory, and resumable: registry pull.)

    A model without a selector means its latest version that can be loaded.

    \b
    Example:
      registry version tar fraud#production -o fraud.tar
      registry version tar fraud:3 -o - | tar -x -C ./served
    """
    if target == "-":
        if session.as_json or sys.stdout.isatty():
            raise click.UsageError("An archive on stdout goes into a pipe, and leaves no room for --json.")
        session.registry.archive(ref, sys.stdout.buffer, allow_unsafe_paths=allow_unsafe_paths)
        return
    file = Path(target)
    partial = file.with_name(f".{file.name}.{uuid.uuid4().hex}")
    try:
        with progress_bar.progress(quiet=session.as_json) as progress, partial.open("xb") as out:
            resolved, size = session.registry.archive(
                ref, out, allow_unsafe_paths=allow_unsafe_paths, progress=progress
            )
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
    written = {"version": resolved, "file": target, "bytes": size}
    session.show(written, lambda: output.line(f"{ref.model}:{resolved['number']} -> {target} ({output.size(size)})"))


@version.command(hidden=True, context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def archive(arguments: tuple[str, ...]) -> None:
    """Refuse: the name could mean the stage or a tar file.

    \b
    Example:
      registry version archive fraud:3
    """
    raise click.UsageError(
        "To retire a version: registry archive NAME:NUMBER --reason TEXT. "
        "To download it as one file: registry version tar NAME:NUMBER -o FILE."
    )


@version.command()
@click.argument("ref", type=REFERENCE)
@reason(required=True)
@click.option("--now", is_flag=True, help="Do not wait until the time for which deleted versions are kept has passed.")
@connected
def purge(session: Session, ref: Reference, reason: str, now: bool) -> None:
    """Give up the bytes of a version that was deleted long enough ago. Its manifest and history stay.

    Files that other versions have too are kept for them. The collector deletes the others REGISTRY_GC_GRACE seconds
    later. --now purges a version that was deleted just before; the audit log records that.

    \b
    Example:
      registry version purge fraud:1 --reason "replaced long ago"
      registry version purge fraud:1 --now --reason "the customer asked for erasure"
    """
    number = session.number(ref)
    gone = session.registry.versions.purge(ref.model, number, reason=reason, now=now)
    session.show(gone, lambda: output.line(f"{ref.model}:{number} purged; its bytes cannot be brought back"))


@version.command("import")
@click.argument("import_id", metavar="ID")
@wait("it is done")
@connected
def import_(session: Session, import_id: str, wait: bool) -> None:
    """Show how far an import is that registry register began with a URL.

    \b
    Example:
      registry version import 0b8e6a52-6f0e-4a7e-9d8e-0d6f8f6f2a11 --wait
    """
    if wait:
        follow(session, import_id)
        return
    import_view = session.registry.imports.get(import_id)
    session.show({"import": import_view}, lambda: _say_import(import_view))


def follow(session: Session, import_id: str) -> None:
    """Wait for an import, and show the version that it made."""
    with progress_bar.progress(quiet=session.as_json) as progress:
        done = session.registry.imports.wait(import_id, progress=progress)
    made = session.registry.versions.get(done["model"], done["version"] or 0)
    session.show({"import": done, "version": made}, lambda: _say_import(done))


def _say_import(import_view: ImportView) -> None:
    number = f"{import_view['model']}:{import_view['version']}" if import_view["version"] else import_view["model"]
    reason = f": {import_view['reason']}" if import_view["reason"] else ""
    files = f"{output.count(import_view['files'], 'file')}, {output.size(import_view['bytes'])}"
    output.line(f"{number} from {import_view['source']} is {import_view['state']} ({files}){reason}")
    if ignored := import_view.get("ignored"):  # an earlier release of the service does not send it
        more = import_view["ignored_count"] - len(ignored)
        others = f" and {more} more" if more else ""
        output.note(f"left out by default: {', '.join(ignored)}{others} (kept with --no-default-ignores)")


def _file_row(file: Any) -> list[object]:
    marks = {"yes": " !", "unknown": " ?"}
    known = file.get("format")  # an older registry omits it, and the damage
    known = known and known + marks.get(file["executes_code"], "")
    return [file["path"], file["size"], Digest(file["sha256"]), known, file.get("damage")]


def _metric_row(metric: Any) -> list[object]:
    measured = [metric["key"], metric["value"], metric["step"], evaluations.label(metric), metric.get("slice")]
    return [*measured, Moment(metric["recorded_at"]), metric["recorded_by"]]


def _note_row(note: Any) -> list[object]:
    return [Moment(note["at"]), note["author"], formatting.note_text(note)]
