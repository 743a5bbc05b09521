"""``registry pull`` and ``registry verify``: a version's files, and whether a directory still holds them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from registry.cli.support import output, progress_bar
from registry.cli.support.exit_codes import Exit
from registry.cli.support.options import connected, follow_links, jobs, patterns, resumable, unsafe_paths
from registry.cli.support.parsing import REFERENCE
from registry.cli.support.session import Session

if TYPE_CHECKING:
    from registry.client import Reference
    from registry.client.files.verify import Verification
    from registry.client.transfer.download import Pulled

DIRECTORY = click.Path(file_okay=False, path_type=Path)


@click.command()
@click.argument("ref", type=REFERENCE)
@click.option("-o", "--output", "directory", type=DIRECTORY, required=True, help="The directory to write to.")
@click.option("--force", is_flag=True, help="Overwrite files there that differ; others stay.")
@patterns("include", "Download only these files: a path, a folder, or e.g. '*.onnx'.")
@patterns("exclude", "Leave out these files, e.g. 'logs/'.")
@click.option("--cache", type=DIRECTORY, metavar="DIR", help="Keep downloaded files there, for later pulls.")
@unsafe_paths
@jobs
@connected
def pull(session: Session, ref: Reference, directory: Path, include: tuple[str, ...], **options: Any) -> None:
    """Download and verify a version's files. Files that exist locally already are not downloaded again.

    A version with paths that could harm this machine is refused. Nothing is written outside of the directory or through
    a link. One that is held, or was moved past the gates, is downloaded with a warning.

    To resume an interrupted download, run the same command again. A file appears when it is complete and verified. A
    model without a selector means its latest version that can be loaded.

    Patterns have the syntax of .gitignore. An --include that matches no file is refused (4). Files in the cache are
    named by their digest and verified before each use. It grows; files in it can be deleted at any time.

    \b
    Example:
      registry pull fraud#production -o ./served
      registry pull fraud#production -o ./served --include '*.onnx' --cache ~/.cache/registry
      registry pull fraud:2 -o ./previous --jobs 8
    """
    with resumable(session), progress_bar.progress(quiet=session.as_json) as progress:
        done = session.registry.pull(ref, directory, only=include, progress=progress, **options)
    session.show(_pulled(done, directory), lambda: _say_pulled(done, directory))


@click.command()
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--against", "ref", type=REFERENCE, required=True, help="The expected version.")
@patterns("exclude", "Leave these out of the comparison, as .gitignore would.")
@follow_links
@jobs
@connected
def verify(session: Session, directory: Path, ref: Reference, jobs: int, **options: Any) -> None:
    """Compare a directory with a version, byte for byte. Exits with 7 when anything differs.

    All files in the directory are compared, also those that a .registryignore in it excludes, and that file itself: the
    compared directory must not decide which files are compared. For the directory that was registered, name with
    --exclude the files that were left out. Names and bytes are compared; empty directories and the executable bit are
    not.

    \b
    Example:
      registry verify ./served --against fraud#production
      registry verify ./model --against fraud:3 --exclude .registryignore --exclude '*.tmp'
    """
    with progress_bar.progress(quiet=session.as_json) as progress:
        verification = session.registry.verify(directory, ref, jobs=jobs, progress=progress, **options)
    session.show(_verified(verification), lambda: _say_verified(verification, directory))
    if not verification.ok:
        click.get_current_context().exit(Exit.INTEGRITY)


def _pulled(done: Pulled, directory: Path) -> dict[str, object]:
    return {
        "version": done.version,
        "directory": str(directory),
        "written": list(done.written),
        "present": list(done.present),
        "cached": list(done.cached),
        "bytes": done.size,
    }


def _say_pulled(done: Pulled, directory: Path) -> None:
    version = done.version
    present = f", {len(done.present)} there already" if done.present else ""
    cached = f", {len(done.cached)} from the cache" if done.cached else ""
    files = f"{output.count(len(done.written), 'file')}, {output.size(done.size)}{cached}{present}"
    output.line(f"{version['model']}:{version['number']} -> {directory} ({files})")
    output.line(f"  {version['manifest_digest']}")


def _verified(verification: Verification) -> dict[str, object]:
    return {
        "ok": verification.ok,
        "version": verification.version,
        "files": verification.files,
        "missing": list(verification.missing),
        "extra": list(verification.extra),
        "changed": dict(verification.changed),
    }


def _say_verified(verification: Verification, directory: Path) -> None:
    name = f"{verification.version['model']}:{verification.version['number']}"
    if verification.ok:
        output.line(f"{directory} is {name} ({output.count(verification.files, 'file')}, all bytes verified)")
        return
    output.line(f"{directory} is not {name}:")
    for path in verification.missing:
        output.line(f"  missing  {path}")
    from registry.client.files.selection import dropping
    from registry.rules import ignored

    registered = dropping(ignored.PATTERNS)
    for path in verification.extra:
        output.line(f"  extra    {path}{'' if registered(path) else '  (left out by default at registration)'}")
    for path, how in verification.changed.items():
        output.line(f"  changed  {path}: {how}")
