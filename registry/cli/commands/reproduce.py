"""``registry reproduce``: the steps that build a version again, and their run."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from registry.cli.support import formatting, output
from registry.cli.support.exit_codes import Exit
from registry.cli.support.options import connected
from registry.cli.support.parsing import PAIR, REFERENCE, distinct
from registry.cli.support.session import Session

if TYPE_CHECKING:
    from registry.client import Reference
    from registry.client.reproduction.outcome import Outcome
    from registry.client.reproduction.recipe import Recipe
    from registry.client.reproduction.run import PreparedRun, RunOptions


@click.command()
@click.argument("ref", type=REFERENCE)
@click.option("--run", "runs", is_flag=True, help="Do the steps in a fresh directory, and compare the results.")
@click.option("--yes", is_flag=True, help="Run the command without asking, for CI.")
@click.option("--repo", metavar="URL", help="Clone this repository instead of the recorded one.")
@click.option("--data", multiple=True, type=PAIR, metavar="NAME=PATH", help="Where data of the version is here.")
@click.option("--data-from-run", is_flag=True, help="The command makes data that is not in the repository.")
@click.option("--entry-point", default="main", metavar="NAME", help="The entry point of MLproject. Default: main.")
@click.option("--current-environment", is_flag=True, help="Run with the packages of this environment.")
@click.option("--system-site-packages", is_flag=True, help="Let the new environment see the packages of this Python.")
@click.option("--image", metavar="NAME", help="The name of the container image whose digest is recorded.")
@click.option("--output", "result", metavar="PATH", help="What the command writes, as it was registered.")
@click.option("--metrics-file", metavar="PATH", help="The metrics that the command writes. Default: its metrics.json.")
@click.option("--tolerance", type=click.FloatRange(min=0), default=0.0, help="Of metrics, relative. Default: 0.")
@click.option("--time-limit", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="For each step.")
@click.option("--keep", type=click.Path(path_type=Path), metavar="DIR", help="Work in this new directory and keep it.")
@click.option("--no-record", is_flag=True, help="Do not record the outcome with the version.")
@connected
def reproduce(session: Session, ref: Reference, runs: bool, yes: bool, repo: str | None, **options: Any) -> None:
    """Print the steps that build a version again: code, environment, data, command. With --run, do them.

    --run clones the repository at the recorded commit and finds the data by its digest. Then it shows the command and
    asks: --yes answers. It makes the environment of the recorded lock file (requirements.txt, uv.lock,
    python_env.yaml, conda.yaml) or container image, and runs the command. Without a recorded command it is that of the
    file MLproject. The command gets no credentials of the registry, and an empty home directory.

    Files are compared by digest, metrics within --tolerance. The version is reproduced (exit code 0) if all files are
    the same, or all metrics that both have. Otherwise the exit code is 7. A missing or uncommitted commit, a missing
    command, environment or data, and a command that fails are refused (exit code 6). The outcome is recorded with the
    version, as the metric reproduced (1 or 0) and the measured values, by whom and when.

    \b
    Example:
      registry reproduce fraud:3
      registry reproduce fraud:3 --run --data train.csv=/data/train.csv --tolerance 0.01
      registry reproduce fraud#production --run --yes --current-environment --json
    """
    from registry.client.errors import RegistryError
    from registry.client.reproduction import recipe as recipes

    number = session.number(ref)
    registry = session.registry
    graph = registry.versions.lineage(ref.model, number, depth=1, direction="up")["graph"]
    recipe = recipes.of(
        registry.versions.get(ref.model, number), list(registry.versions.files(ref.model, number)), graph, repo=repo
    )
    if not runs:
        report = registry.lineage.reproducibility(ref.model, number)
        steps = [{"step": name, "text": text} for name, text in recipes.steps(recipe)]
        document = {**recipe.document(), "steps": steps, "reproducibility": report}

        def say() -> None:
            output.line(recipe.reference)
            described = ("to rebuild", formatting.reproducibility(report))
            output.pairs([*((one["step"], one["text"]) for one in steps), described])

        session.show(document, say)
        return
    if not yes and not sys.stdin.isatty():
        raise click.UsageError("--run asks before it executes the command: add --yes to run it without a terminal.")
    outcome = _run_recipe(session, recipe, yes=yes, keep=options.pop("keep"), options=options)
    if not options["no_record"]:
        try:
            registry.versions.measure(ref.model, number, outcome.evaluation())
        except RegistryError:  # the run may have taken hours
            _show_outcome(session, recipe, outcome, is_recorded=False)
            raise
    _show_outcome(session, recipe, outcome, is_recorded=not options["no_record"])
    if not outcome.is_reproduced:
        click.get_current_context().exit(Exit.INTEGRITY)


def _run_recipe(session: Session, recipe: Recipe, *, yes: bool, keep: Path | None, options: dict[str, Any]) -> Outcome:
    """Run the recipe in a fresh directory, which is removed in any case unless it is kept."""
    from registry.client.reproduction import run

    wanted = _run_options(options)
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=False)
    workspace = (keep or Path(tempfile.mkdtemp(prefix="registry-reproduce-"))).resolve()
    # A cancelled CI job is cleaned up as after Ctrl-C: the command runs in a separate process group.
    ended = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        prepared = run.prepare(recipe, workspace, wanted)
        _consent(prepared, yes=yes)
        model, _, number = recipe.reference.rpartition(":")
        return run.execute(prepared, wanted, _pull(session, model, int(number)))
    finally:
        signal.signal(signal.SIGTERM, ended)
        if keep is None:
            _remove_workspace(workspace)


def _remove_workspace(workspace: Path) -> None:
    """Remove the directory, also what the command made read-only; say so where that fails."""
    for directory, subdirectories, _ in os.walk(workspace):
        for path in (Path(directory, name) for name in subdirectories):
            if not path.is_symlink():
                with suppress(OSError):
                    path.chmod(0o700)
    shutil.rmtree(workspace, ignore_errors=True)
    if workspace.exists():
        output.note(f"{workspace} cannot be removed: remove it.")


def _pull(session: Session, model: str, number: int) -> Callable[[str, Path], object]:
    return lambda file, directory: session.registry.pull(f"{model}:{number}", directory, only=[f"/{file}"])


def _run_options(options: dict[str, Any]) -> RunOptions:
    from registry.client.reproduction.environments import EnvironmentOptions
    from registry.client.reproduction.run import RunOptions

    limit = options["time_limit"]
    return RunOptions(
        environment=EnvironmentOptions(
            current=options["current_environment"],
            system_site_packages=options["system_site_packages"],
            image=options["image"],
            timeout_seconds=limit,
        ),
        data={name: Path(place) for name, place in distinct(options["data"], "--data").items()},
        data_from_run=options["data_from_run"],
        entry_point=options["entry_point"],
        result=options["result"],
        metrics_file=options["metrics_file"],
        tolerance=options["tolerance"],
        timeout_seconds=limit,
    )


def _consent(prepared: PreparedRun, *, yes: bool) -> None:
    """Show the command, and ask for consent unless it was given. Raises Abort without it."""
    output.note(f"{prepared.recipe.repo} at {prepared.recipe.commit} runs: {prepared.command}")
    if not yes:
        click.confirm("It runs as you, on this machine. Run it?", abort=True, err=True)


def _show_outcome(session: Session, recipe: Recipe, outcome: Outcome, *, is_recorded: bool) -> None:
    document = {"version": recipe.reference, **outcome.document(), "recorded": is_recorded}
    session.show(document, lambda: _print(recipe, outcome, is_recorded=is_recorded))


def _print(recipe: Recipe, outcome: Outcome, *, is_recorded: bool) -> None:
    output.line(f"{recipe.reference} {'is reproduced' if outcome.is_reproduced else 'is not reproduced'}")
    total = len(outcome.same_files) + len(outcome.other_files) + len(outcome.missing_files)
    output.pairs(
        [
            ("same files", f"{len(outcome.same_files)} of {total}"),
            ("differ", ", ".join(outcome.other_files)),
            ("not written", ", ".join(outcome.missing_files)),
            *(
                (one.name, f"{one.measured:g}" + ("" if one.is_same else f", registered {one.registered:g}"))
                for one in outcome.metrics
            ),
            ("recorded", "as an evaluation of the version" if is_recorded else "no"),
        ]
    )
