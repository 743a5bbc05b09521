"""``registry register``: a new version from local files, or from a location that the registry copies from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from registry.cli.commands import version
from registry.cli.support import config, evaluations, output, progress_bar, version_facts
from registry.cli.support.options import connected, follow_links, jobs, patterns, resumable, wait
from registry.cli.support.parsing import METRIC, MODEL, PAIR, REFERENCE, distinct
from registry.cli.support.session import Session
from registry.rules.lineage_kinds import DERIVATIONS

if TYPE_CHECKING:
    from registry.client.detect import Detected
    from registry.client.registration import Registered
    from registry.client.types import VersionView

REMOTE = ("s3://", "https://")


class SourceParam(click.Path):
    """A local path, or a URL."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        remote = isinstance(value, str) and value.startswith(REMOTE)
        return value if remote else super().convert(value, param, ctx)


SHOWN = 5
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("name", type=MODEL)
@click.argument("path", type=SourceParam(exists=True, path_type=Path))
@patterns("include", "Register only these files, e.g. '*.onnx'.")
@patterns("exclude", "Leave out these files, e.g. 'logs/'. See also .registryignore.")
@click.option(
    "--no-default-ignores", is_flag=True, help="Include files of version control, caches and operating systems."
)
@click.option("--allow-secrets", is_flag=True, help="Include files that hold credentials, which are refused otherwise.")
@follow_links
@click.option("--data", multiple=True, metavar="[ROLE=][NAME=]DATA", help="Data to record by digest; see above.")
@click.option("--metric", "metrics", multiple=True, type=METRIC, help="An evaluation, e.g. auc=0.93@test.csv.")
@click.option("--metrics-file", type=FILE, help="Numbers as JSON or YAML; --metric takes precedence.")
@click.option("--param", "params", multiple=True, type=PAIR, help="A training parameter, e.g. depth=6.")
@click.option("--params-file", type=FILE, help="Values as JSON or YAML; --param takes precedence.")
@click.option("--tag", "tags", multiple=True, type=PAIR, help="A label, e.g. team=risk.")
@click.option("--description", metavar="TEXT", help="The description of this version.")
@click.option("--card", type=FILE, help="The model card, Markdown: registered as the file README.md.")
@click.option("--framework", metavar="NAME", help="E.g. scikit-learn.")
@click.option("--signature", type=FILE, help="Inputs and outputs as JSON or YAML.")
@click.option("--run-id", metavar="ID", help="The run that created it; detected in CI.")
@click.option("--run-url", metavar="URL", help="The run's page.")
@click.option("--run-system", metavar="NAME", help='The system that ran it. Default: detected, or "manual".')
@click.option("--triggered-by", metavar="NAME", help="The person who started the run.")
@click.option("--repo", metavar="URL", help="The code's repository; detected in CI, or by git.")
@click.option("--commit", metavar="SHA", help="The code's commit; detected in CI, or by git.")
@click.option("--branch", metavar="NAME", help="The code's branch; detected in CI, or by git.")
@click.option("--command", metavar="LINE", help="The command that trains the model, e.g. 'python train.py'.")
@click.option("--python", metavar="VERSION", help="The Python that trained the model; read from MLmodel.")
@click.option("--lock-file", type=FILE, help="The environment's lock file, to record by digest.")
@click.option("--image-digest", metavar="DIGEST", help="The container image, as sha256:…")
@click.option("--parent", "parents", multiple=True, type=REFERENCE, help="A version that this one derives from.")
@click.option(
    "--base-model",
    "base_models",
    multiple=True,
    metavar="URI[@DIGEST]",
    help="A model outside of this registry that this one derives from, like hf://org/name@REVISION.",
)
@click.option("--derivation", type=click.Choice(DERIVATIONS), help="How it derives from its parents and base models.")
@click.option(
    "--alias", "aliases", multiple=True, metavar="NAME", help="Point this alias at the new version once it is ready."
)
@click.option("--update", is_flag=True, help="Add metrics, tags, aliases and description to the existing version.")
@click.option("--new-version", is_flag=True, help="Create another version of the same files from the same run.")
@click.option("--no-detect", is_flag=True, help="Do not read CI variables, git, DVC and the facts in files.")
@click.option("--idempotency-key", metavar="KEY", help="Default: a new key for each run of this command.")
@wait("the bytes are verified, or copied from a URL")
@jobs
@connected
def register(session: Session, name: str, path: Path | str, **options: Any) -> None:
    """Register the files at PATH as the next version of the model NAME.

    Creates the model if it does not exist. Files that are stored already are not uploaded again. To resume an
    interrupted upload, run the same command again.

    The run, the person who started it, repository, commit and branch are detected in GitHub, Gitea and Forgejo Actions,
    GitLab CI, Azure Pipelines, CircleCI, Buildkite, Bitbucket Pipelines, Jenkins and AWS CodeBuild. In Airflow,
    Kubeflow Pipelines, Argo Workflows and SageMaker only the run is detected. Elsewhere repository, commit and branch
    are read from git. If no commit is found, a warning gives the reason.

    Framework, signature, Python and run are read from MLmodel; base models, licence, architecture, number of parameters
    and format from the files of the Hugging Face Hub and from the headers of weights, which become tags. The digest of
    uv.lock, requirements.txt or the like is that of a file of the model, or of the checkout. Nothing is loaded. If
    dvc.lock names the model with its digest, data, params, metrics and the command are those of the stages that made
    it. Options take precedence. The output lists what was found; what cannot be read is a warning.

    A repeated registration returns the existing version, so a CI job can be retried. It has the same files from the
    same run or, without a run, the same files with the same lineage. Facts that the existing version lacks are refused
    (exit 5). --update adds metrics, tags, aliases and the description to it. Values that were changed since the first
    registration are kept. --new-version creates another version.

    Patterns have the syntax of .gitignore. A file .registryignore in the directory has patterns too, and is not
    registered itself. Files of version control, caches and operating systems are left out and listed. !name in
    .registryignore includes them. Files that hold credentials (.env, private keys, tokens, …) are refused. Symbolic
    links inside the directory are followed. Links that leave it are refused without --follow-links. Empty directories
    and executable bits are not kept; the output lists them.

    If PATH is s3://bucket/prefix or https://…, the registry copies the files itself, from locations that its settings
    allow. The same files are left out or refused.

    --data takes a file, a directory, a digest (sha256:…, or in DVC's form), or an address with a digest
    (s3://bucket/key@sha256:…). A .dvc file or a git-lfs pointer means the data that it points at. ROLE is train (the
    default), validation, test or other. NAME replaces the name of the file.

    Files of metrics and params are YAML if their names end in .yaml or .yml, otherwise JSON. Nested values get keys
    with dots, such as val.auc. Lists are refused as metrics, and stored as JSON as params. NaN and infinities are kept
    with the run, as in MLflow.

    After @, --metric takes the data of the measurement: a file of --data, another local file, or a digest. The same
    metric on two datasets is two values.

    \b
    Example:
      registry register fraud ./model --data train.csv --data test=test.csv \\
        --metric auc=0.93@test.csv --param depth=6 --tag team=risk --run-id ci-41
      registry register fraud ./model --exclude 'checkpoints/' --wait
      registry register fraud ./model --data images/ --data test=october=s3://data/october.parquet@sha256:9f86d0…
    """
    if options["update"] and options["new_version"]:
        raise click.UsageError(
            "--update adds to the existing version, and --new-version makes another: give one of them."
        )
    where = path if isinstance(path, Path) else config.working_directory()
    detected = version_facts.detected(where, enabled=not options["no_detect"])
    described = _facts_of_options(session, detected, **options)
    problem = _why_no_commit(described["code"] or {}, detected)
    detected = replace(detected, problem=None)
    if isinstance(path, str):
        _import(session, name, path, described, options, problem=problem)
    else:
        # What no option changes was detected; the rest is stated.
        run, detected_run = (None, detected.run) if described["run"] == detected.run else (described["run"], None)
        code, detected_code = version_facts.stated_code(described["code"], detected.code)
        detected = replace(detected, run=detected_run, code=detected_code)
        _upload(session, name, path, {**described, "run": run, "code": code}, options, detected, problem=problem)


def _upload(
    session: Session,
    name: str,
    path: Path,
    described: dict[str, Any],
    options: dict[str, Any],
    detected: Detected,
    *,
    problem: str | None,
) -> None:
    with resumable(session), progress_bar.progress(quiet=session.as_json) as progress:
        done = session.registry.register(
            name,
            path,
            **described,
            detect=False if options["no_detect"] else detected,
            include=options["include"],
            exclude=options["exclude"],
            default_ignores=not options["no_default_ignores"],
            card=options["card"],
            allow_secrets=options["allow_secrets"],
            follow_links=options["follow_links"],
            update=options["update"],
            new_version=options["new_version"],
            idempotency_key=options["idempotency_key"],
            jobs=options["jobs"],
            progress=progress,
        )
    _warn_of_code(session, problem)
    for warning in done["warnings"]:
        session.warn(warning)
    if done["version"]["state"] != "pending" or not options["wait"]:
        session.show(done, lambda: _show_registered(done, options["aliases"]))
        return
    if not session.as_json:
        _show_registered(done, options["aliases"], waits=True)
    number = f"{name}:{done['version']['number']}"
    with resumable(session, _goes_on(number)), progress_bar.waiting(f"Verifying {number} …", quiet=session.as_json):
        verified = session.registry.wait(done["version"])
    session.show({**done, "version": verified}, lambda: output.line(f"{number} is {verified['state']}"))


def _import(
    session: Session, name: str, source: str, described: dict[str, Any], options: dict[str, Any], *, problem: str | None
) -> None:
    here = ("include", "exclude", "follow_links", "card")
    if said := [f"--{name.replace('_', '-')}" for name in here if options[name]]:
        raise click.UsageError(f"{', '.join(said)}: for files that are here, not for a URL.")
    if options["new_version"]:
        raise click.UsageError("--new-version is for local files; for a URL give another --run-id.")
    begun = session.registry.import_version(
        name,
        source,
        **described,
        default_ignores=not options["no_default_ignores"],
        allow_secrets=options["allow_secrets"],
        update=options["update"],
        idempotency_key=options["idempotency_key"],
    )
    _warn_of_code(session, problem)
    follow = f"The registry copies on. Follow it: registry version import {begun['id']} --wait"
    if not options["wait"]:
        session.show({"import": begun}, lambda: output.line(f"import {begun['id']} of {source} into {name}. {follow}"))
        return
    with resumable(session, follow):
        version.follow(session, begun["id"])


def _why_no_commit(code: Mapping[str, Any], detected: Detected) -> str | None:
    """Return why the code has no commit; None if it has one, or if nothing was looked for."""
    if code.get("commit"):
        return None
    if detected.code and detected.code.get("commit") and code.get("repo"):
        return f"the checkout here is of {detected.code.get('repo')}, not of {code['repo']}: give --commit"
    return detected.problem


def _warn_of_code(session: Session, problem: str | None) -> None:
    if problem:
        session.warn(f"the commit is not recorded: {problem}")


def _facts_of_options(session: Session, detected: Detected, **options: Any) -> dict[str, Any]:
    code = version_facts.code(
        detected.code,
        repo=options["repo"],
        commit=options["commit"],
        branch=options["branch"],
        command=options["command"],
    )
    datasets = [version_facts.dataset(text) for text in options["data"]]
    run = version_facts.run(
        detected.run,
        id=options["run_id"],
        url=options["run_url"],
        system=options["run_system"],
        actor=options["triggered_by"],
    )
    return {
        "description": options["description"],
        "tags": distinct(options["tags"], "--tag") or None,
        "params": version_facts.merged_params(options["params_file"], distinct(options["params"], "--param")),
        "metrics": version_facts.merged_metrics(
            options["metrics_file"],
            distinct(evaluations.without_dataset(options["metrics"]), "--metric"),
            has_run=run is not None,
        ),
        "evaluations": version_facts.some(evaluations.of(options["metrics"], datasets)),
        "framework": options["framework"],
        "signature": version_facts.signature(options["signature"]),
        "run": run,
        "code": code,
        "environment": version_facts.environment(
            python=options["python"], lock_file=options["lock_file"], image_digest=options["image_digest"]
        ),
        "datasets": version_facts.some(datasets),
        **version_facts.origins(session, options),
        "aliases": version_facts.some(options["aliases"]),
    }


def _show_registered(done: Registered, asked: Sequence[str], *, waits: bool = False) -> None:
    version, uploads = done["version"], done["uploads"]
    name = f"{version['model']}:{version['number']}"
    if not done["created"]:
        added = done.get("updated")  # an earlier release of the service does not send it
        output.line(f"{name} was registered before, {'added: ' + ', '.join(added) if added else 'nothing changed'}")
        _note_moved(version, asked)
        _note_found(done)
        _note_left_out(done)
        return
    files = f"{output.count(version['file_count'], 'file')}, {output.size(version['size'])}"
    output.line(f"{name} registered ({files}; {uploads['sent']} sent, {output.size(uploads['sent_bytes'])})")
    output.line(f"  {version['manifest_digest']}")
    if version["state"] == "pending" and not waits:
        output.line(f"  {_goes_on(name)} Aliases are set then, unless they were moved since.")
    _note_found(done)
    _note_left_out(done)


def _note_found(done: Registered) -> None:
    """Name what was detected, by the file or the system that states it."""
    if done["found"]:
        output.line("found (leave out with --no-detect):")
    for one in done["found"]:
        facts = "; ".join(f"{kind}: {_some(texts)}" for kind, texts in one["facts"].items())
        output.line(f"  {one['source']}: {facts}")


def _note_left_out(done: Registered) -> None:
    """Name what is in the directory and not in the version."""
    dropped = done["dropped"]
    if ignored := done["ignored"]:
        output.note(f"left out by default: {_some(ignored)} (kept with --no-default-ignores)")
    if empty := dropped["empty_directories"]:
        output.note(f"not kept, a version holds files only: the empty {_some(empty)}")
    if executable := dropped["executable_bits"]:
        output.note(f"not kept: the executable bit of {_some(executable)}")
    if names := dropped["not_on_windows"]:
        output.note(f"Windows cannot hold files with these names: {_some(names)}")


def _some(paths: Sequence[str]) -> str:
    return ", ".join(paths[:SHOWN]) + (f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else "")


def _note_moved(version: VersionView, asked: Sequence[str]) -> None:
    """Name the aliases that the first registration set and that were moved since: they stay where they are."""
    moved = sorted(set(asked) - set(version["aliases"]))
    if moved and version["state"] == "ready":
        command = f"registry alias set {version['model']}@{moved[0]} {version['number']}"
        output.note(f"moved since, and left where they are: {', '.join(moved)}. To move one back: {command}")


def _goes_on(name: str) -> str:
    return f"The registry reads its bytes back before it is ready. Look: registry show {name}"
