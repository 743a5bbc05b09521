"""``registry register``: a new version from files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from registry.cli import bars, facts, output
from registry.cli.options import connected, jobs
from registry.cli.params import METRIC, MODEL, PAIR, REFERENCE, distinct
from registry.cli.session import Session

if TYPE_CHECKING:
    from registry.client import Reference
    from registry.client.registration import Registered

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("name", type=MODEL)
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option("--data", multiple=True, metavar="[ROLE=]FILE", help="Training data to remember by its digest.")
@click.option("--metric", "metrics", multiple=True, type=METRIC, help="An evaluation, e.g. auc=0.93.")
@click.option("--metrics-file", type=FILE, help="JSON object of numbers; --metric wins.")
@click.option("--param", "params", multiple=True, type=PAIR, help="A training parameter, e.g. depth=6.")
@click.option("--params-file", type=FILE, help="JSON object of scalars; --param wins.")
@click.option("--tag", "tags", multiple=True, type=PAIR, help="A label, e.g. team=risk.")
@click.option("--description", metavar="TEXT", help="What this version is.")
@click.option("--framework", metavar="NAME", help="E.g. scikit-learn.")
@click.option("--signature", type=FILE, help="JSON object: the model's inputs and outputs.")
@click.option("--run-id", metavar="ID", help="The run that made it; found by itself in CI.")
@click.option("--run-url", metavar="URL", help="Where to look at the run.")
@click.option("--run-system", metavar="NAME", help='What ran it; "manual" unless known.')
@click.option("--lock-file", type=FILE, help="The environment's lock file, to remember by its digest.")
@click.option("--image-digest", metavar="DIGEST", help="The container image, as sha256:…")
@click.option("--parent", "parents", multiple=True, type=REFERENCE, help="A version that this derives from.")
@click.option("--alias", "aliases", multiple=True, metavar="NAME", help="Point this alias at the new version.")
@click.option("--no-detect", is_flag=True, help="Do not look at CI variables, git and the Python version.")
@click.option("--idempotency-key", metavar="KEY", help="Default: made from all of the above.")
@jobs
@connected
def register(session: Session, name: str, path: Path, **options: Any) -> None:
    """Register the files at PATH as the next version of the model NAME.

    The model is made if there is none. Files that the registry has already are not sent again. The same files from
    the same run give the version that there is, so a CI job can be retried. In GitHub Actions, GitLab CI and Jenkins
    the run and the commit are found by themselves; elsewhere the commit is git's.

    ROLE of --data is train (the default), validation, test or other.

    \b
    Example:
      registry register fraud ./model --data train.csv --data test=test.csv \\
        --metric auc=0.93 --param depth=6 --tag team=risk --run-id ci-41
    """
    described = _facts(session, path, **options)
    with bars.progress() as progress:
        done = session.registry.register(
            name,
            path,
            **described,
            idempotency_key=options["idempotency_key"],
            jobs=options["jobs"],
            progress=progress,
        )
    session.show(done, lambda: _say(done))


def _facts(session: Session, path: Path, **options: Any) -> dict[str, Any]:
    detect = not options["no_detect"]
    found = facts.detected(path, enabled=detect)
    return {
        "description": options["description"],
        "tags": distinct(options["tags"], "--tag") or None,
        "params": facts.merged_params(options["params_file"], distinct(options["params"], "--param")),
        "metrics": facts.merged_metrics(options["metrics_file"], distinct(options["metrics"], "--metric")),
        "framework": options["framework"],
        "signature": facts.signature(options["signature"]),
        "run": facts.run(found.run, id=options["run_id"], url=options["run_url"], system=options["run_system"]),
        "code": found.code,
        "environment": facts.environment(
            lock_file=options["lock_file"], image_digest=options["image_digest"], enabled=detect
        ),
        "datasets": facts.some([facts.dataset(text) for text in options["data"]]),
        "parents": facts.some([_parent(session, reference) for reference in options["parents"]]),
        "aliases": facts.some(options["aliases"]),
    }


def _parent(session: Session, reference: Reference) -> dict[str, Any]:
    return {"model": reference.model, "version": session.number(reference)}


def _say(done: Registered) -> None:
    version, uploads = done["version"], done["uploads"]
    name = f"{version['model']}:{version['number']}"
    if not done["created"]:
        output.line(f"{name} was registered before, from the same files and run; nothing changed")
        return
    files = f"{output.count(version['file_count'], 'file')}, {output.size(version['size'])}"
    output.line(f"{name} registered ({files}; {uploads['sent']} sent, {output.size(uploads['sent_bytes'])})")
    output.line(f"  {version['manifest_digest']}")
