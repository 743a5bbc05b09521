"""``registry import``."""

from __future__ import annotations

from typing import Any

import click

from registry.cli.commands.model import LIFECYCLE
from registry.cli.support import progress_bar
from registry.cli.support.options import connected, jobs, resumable
from registry.cli.support.session import Session


@click.group("import")
def import_() -> None:
    """Take over what another registry has."""


@import_.command("mlflow")
@click.option("--from", "uri", required=True, metavar="URI", help="http(s)://…, sqlite:///…, a directory: as MLflow's.")
@click.option("--model", "models", multiple=True, metavar="NAME", help="Only this one. Repeatable.")
@click.option("--lifecycle", type=LIFECYCLE, help="Of the models made. Default: the server's.")
@click.option("--check", is_flag=True, help="Read the files of versions that are here already too, and compare them.")
@click.option("--dry-run", is_flag=True, help="Show what would happen, and change nothing.")
@click.option("--allow-secrets", is_flag=True, help="Also versions with files that hold credentials.")
@jobs
@connected
def mlflow(session: Session, uri: str, models: tuple[str, ...], dry_run: bool, **options: Any) -> None:
    """Import models, versions, stages, aliases and tags from an MLflow registry, with their files.

    Versions keep their numbers. Their files are read through MLflow, hashed and uploaded; their runs become lineage;
    times and users are kept as that registry's claims. To resume, run the command again: nothing is imported twice, and
    later changes here are kept. Versions whose files cannot be read, refused names and differences are reported; the
    exit code is then 1. Prompts are imported with their texts, versions, tags and aliases.

    In lifecycle enforced one version holds production: of several, the one with the highest number; the others are
    recorded as superseded by it. With --lifecycle open all of them hold it.

    The token needs the roles admin, for the numbers, and promoter, for production.

    \b
    Example:
      registry import mlflow --from https://mlflow.example --dry-run
      registry import mlflow --from sqlite:///mlflow.db --model fraud
    """
    from registry.cli.mlflow.import_apply import Import
    from registry.cli.mlflow.library import Library
    from registry.cli.mlflow.prompt_import import PromptImport
    from registry.cli.mlflow.report import Report

    library = Library(uri, there=True)
    report = Report(library.uri, session.registry.url, dry_run)
    with resumable(session), progress_bar.progress(quiet=session.as_json) as progress:
        prompts = library.prompts(models)
        named = tuple(name for name in models if name not in {prompt.name for prompt in prompts})
        work = Import(library, session.registry, report, progress=progress, **options)
        for prompt in library.models(named) if named or not models else ():
            work.take(prompt)
        work = PromptImport(library, session.registry, report, progress=progress, **options)
        for prompt in prompts:
            work.take(prompt)
    report.show(session)
