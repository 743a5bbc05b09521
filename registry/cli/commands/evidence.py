"""``registry evidence``: everything about a model as one file that can be verified offline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from registry.cli.support import output, progress_bar
from registry.cli.support.options import connected
from registry.cli.support.parsing import TIME
from registry.cli.support.session import Session

FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("model")
@click.option("-o", "--output", "file", type=FILE, required=True, help="The archive to write, e.g. evidence.zip.")
@click.option("--version", type=click.IntRange(1), metavar="NUMBER", help="Only facts of this version.")
@click.option("--from", "since", type=TIME, help="Omit facts that ended before: RFC 3339, a date, or 2h, 7d (ago).")
@click.option("--to", "until", type=TIME, help="As it was before this time.")
@click.option("--profile", metavar="NAME", help="eu-ai-act-annex-iv, iso-42001, nist-ai-rmf or sr-26-2.")
@click.option("--checkpoint", type=click.IntRange(1), metavar="SIZE", help="As in an earlier archive; see its README.")
@connected
def evidence(session: Session, model: str, file: Path, **query: Any) -> None:
    """Write all recorded facts about MODEL to one file. Needs the role auditor or admin.

    The archive has the audit entries of the models that have or had this name, each with a proof, and the facts derived
    from them: periods in production, versions with their files' digests, lineage, roles of actors, and reasons. It has
    a page to read and print (index.html), CSV files, and README.txt, which states what the proofs cover.
    With --profile the facts are also in the order of that text's clauses; a clause without any is a gap. That is no
    legal advice.

    Everything is as of --to, or of the latest checkpoint, which must cover all entries about the model: the command
    waits for seconds until they are sealed. The same command under the same checkpoint gives the same bytes.

    \b
    Example:
      registry evidence fraud -o evidence.zip
      registry evidence fraud --version 3 --from 2026-01-01 --profile eu-ai-act-annex-iv -o evidence.zip
      registry audit verify --file evidence.zip --key KEY
    """
    with progress_bar.progress(quiet=session.as_json) as progress:
        size = session.registry.evidence(model, file, progress=progress, **query)
    session.show({"file": str(file), "size": size}, lambda: output.line(f"Wrote {file}."))
