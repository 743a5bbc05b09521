"""Export of models and versions to an MLflow registry, with equal numbers."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry.cli.mlflow import measures
from registry.cli.mlflow.report import Report, reporting
from registry.cli.support import progress_bar

if TYPE_CHECKING:
    from registry.cli.mlflow.library import Library
    from registry.client import RegistryClient
    from registry.client.types import ModelView, VersionView

EXPERIMENT = "registry-export"
DIGEST, NAME = "registry.manifest_digest", "registry.version"


class MlflowExport:
    """From *registry* to *library*."""

    def __init__(
        self,
        library: Library,
        registry: RegistryClient,
        report: Report,
        *,
        jobs: int,
        progress: progress_bar.Report | None,
    ) -> None:
        self._library, self._client, self._registry, self._report = library, library.client, registry, report
        self._jobs, self._progress = jobs, progress

    def give(self, model: ModelView) -> None:
        """Export one model with its versions."""
        name = model["name"]
        there = {int(one.version): one for one in self._library.versions(name)} if self._model(model) else {}
        for version in sorted(self._registry.versions.list(name), key=lambda one: one["number"]):
            what = f"version {version['number']}"
            if version["state"] != "ready" or not version["manifest_digest"]:
                if version["state"] != "deleted":
                    self._report.add(name, what, "skipped", f"it is {version['state']}: its files are not here")
                continue
            if (exported := there.get(version["number"])) is not None:
                same = dict(exported.tags).get(DIGEST) == version["manifest_digest"]
                self._report.add(name, what, *_outcome(same))
                if same:
                    self._export_stage(version, exported)
                continue
            if self._report.dry_run:
                self._report.add(name, what, "created")
            else:
                with reporting(self._report, name, what):
                    self._export_version(version)
        self._export_aliases(model)

    def _model(self, model: ModelView) -> bool:
        """Return whether the model is there, made if need be."""
        from mlflow.exceptions import MlflowException

        name = model["name"]
        try:
            self._client.get_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
        else:
            self._report.add(name, "model", "existing")
            return True
        if not self._report.dry_run:
            self._client.create_registered_model(name, tags=model["tags"], description=model["description"] or None)
        self._report.add(name, "model", "created")
        return not self._report.dry_run

    def _export_version(self, version: VersionView) -> None:
        name, number, what = version["model"], version["number"], f"version {version['number']}"
        run = self._run(version)
        tags = {**version["tags"], DIGEST: version["manifest_digest"] or ""}
        made = self._create_version(version, run, tags)
        filled = []
        while int(made.version) < number:
            self._client.delete_model_version(name, str(made.version))
            filled.append(str(made.version))
            made = self._create_version(version, run, tags)
        if int(made.version) > number:
            self._client.delete_model_version(name, str(made.version))
            self._report.add(name, what, "skipped", f"the number is used up there; the next is {made.version}")
            return
        if filled:
            self._report.add(name, f"version {', '.join(filled)}", "noted", "made and deleted there, to keep numbers")
        self._report.add(name, what, "created")
        self._export_stage(version, made)

    def _create_version(self, version: VersionView, run: Any, tags: Mapping[str, str]) -> Any:
        return self._client.create_model_version(
            version["model"],
            f"{run.info.artifact_uri}/model",
            run.info.run_id,
            tags=dict(tags),
            description=version["description"] or None,
        )

    def _run(self, version: VersionView) -> Any:
        """Return the finished run that has the version's files; one that an earlier export left is used again."""
        label = f"{version['model']}:{version['number']}"
        experiment = self._experiment()
        for run in self._client.search_runs([experiment], f"tags.`{DIGEST}` = '{version['manifest_digest']}'"):
            if run.data.tags.get(NAME) == label and run.info.status == "FINISHED":
                return run
        tags = {NAME: label, DIGEST: version["manifest_digest"]}
        run = self._client.create_run(experiment, tags=tags, run_name=label)
        run_id = run.info.run_id
        with tempfile.TemporaryDirectory(prefix="registry-") as folder:
            target = Path(folder) / "model"
            self._registry.pull(label, target, jobs=self._jobs, progress=self._progress)
            self._client.log_artifacts(run_id, str(target), "model")
        try:
            measures.log(self._client, run, version)
        except measures.NoDatasets:
            what = f"version {version['number']}, metrics"
            self._report.add(version["model"], what, "noted", "without their datasets, which MLflow has since 3.0")
        self._client.set_terminated(run_id)
        return run

    def _experiment(self) -> str:
        experiment = self._client.get_experiment_by_name(EXPERIMENT)
        return str(experiment.experiment_id if experiment else self._client.create_experiment(EXPERIMENT))

    def _export_stage(self, version: VersionView, there: Any) -> None:
        stage = version["stage"].capitalize()
        if stage == there.current_stage:
            return
        if not self._report.dry_run:
            self._client.transition_model_version_stage(version["model"], str(there.version), stage)
        self._report.add(version["model"], f"version {version['number']}, stage", "created", version["stage"])

    def _export_aliases(self, model: ModelView) -> None:
        name = model["name"]
        versions = {} if self._report.dry_run else {int(one.version): one for one in self._library.versions(name)}
        there = {} if self._report.dry_run else dict(self._client.get_registered_model(name).aliases or {})
        for alias, number in model["aliases"].items():
            if str(there.get(alias)) == str(number):
                self._report.add(name, f"alias {alias}", "existing")
            elif number not in versions and not self._report.dry_run:
                self._report.add(name, f"alias {alias}", "skipped", f"version {number} is not there")
            else:
                if not self._report.dry_run:
                    self._client.set_registered_model_alias(name, alias, str(number))
                self._report.add(name, f"alias {alias}", "created")


def _outcome(same: bool) -> tuple[Any, str]:
    return ("existing", "") if same else ("changed", f"the number has other files there, by its tag {DIGEST}")
