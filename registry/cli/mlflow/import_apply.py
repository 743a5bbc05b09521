"""Models of an MLflow registry, imported with their numbers; its times and users are kept as claims."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import click

from registry.cli.mlflow.import_stages import ImportedStages, superseded_by
from registry.cli.mlflow.report import Report, reporting
from registry.cli.support import progress_bar
from registry.rules import names

if TYPE_CHECKING:
    from registry.cli.mlflow.library import Library
    from registry.client import RegistryClient
    from registry.client.types import Lifecycle, ModelView, VersionView

TAGS = 100


class ModelRefused(Exception):
    """The registry refuses a model; the report has the reason."""


class Import:
    """From *library* to *registry*: models with their files. ``CONTENT`` is what a number means."""

    IS_PROMPT, KIND, CONTENT = False, "model", "files"

    def __init__(
        self, library: Library, registry: RegistryClient, report: Report, *, lifecycle: Lifecycle | None, check: bool,
        allow_secrets: bool, jobs: int, progress: progress_bar.Report | None,
    ) -> None:  # fmt: skip
        self._library, self._registry, self._report = library, registry, report
        self._lifecycle, self._check, self._jobs, self._progress = lifecycle, check, jobs, progress
        self._allow_secrets = allow_secrets
        self._reason = f"imported from {library.uri}"
        self._model: ModelView | None = None  # the one that is being imported, as soon as it is here
        self._announced = False

    def take(self, source_model: Any) -> None:
        """Import one registered model with its versions. No model is created when none of its versions can be."""
        self._model, self._announced = None, False
        with self._reporting(source_model.name, self.KIND) as allowed:
            self._model = self._existing(source_model)
            allowed.append(True)
        if not allowed:
            return
        versions = self._library.versions(source_model.name, prompts=self.IS_PROMPT)
        here: dict[int, VersionView] = {}
        try:
            if not versions:
                self._ensure_model(source_model)
            for version in versions:
                if (made := self._import_version(source_model, version)) is not None:
                    here[int(version.version)] = made
        except ModelRefused:
            return
        if self._model is None and not self._announced:
            self._report.add(source_model.name, self.KIND, "skipped", "none of its versions can be imported")
            return
        self._stages(source_model.name, versions, here)
        self._import_aliases(source_model, self._model, here)

    def _stages(self, name: str, versions: Sequence[Any], here: Mapping[int, VersionView]) -> None:
        if self._report.dry_run:
            self._foresee(versions)
        elif self._model is not None:
            ImportedStages(self._registry, self._report, name, self._reason).set(versions, here)

    def _existing(self, source_model: Any) -> ModelView | None:
        """Return the model if it exists here.

        Raises Conflict for a deleted one with versions, or one of the other kind.
        """
        from registry.client import errors

        try:
            model = self._registry.models.get(source_model.name)
        except errors.NotFound:
            model = None
        except ValueError as error:
            raise errors.Invalid(str(error)) from error
        if model is None or (model["state"] == "deleted" and model["latest_version"] is None):
            return None
        if model["state"] == "deleted":
            raise errors.Conflict("a model of this name was deleted here; restore it first: registry model restore")
        if self._library.is_prompt(model["tags"]) != self.IS_PROMPT:
            raise errors.Conflict(f"the name is that of a {'model' if self.IS_PROMPT else 'prompt'} here")
        self._report.add(source_model.name, self.KIND, "existing")
        return model

    def _ensure_model(self, source_model: Any) -> None:
        """Make the model unless it is here, or announce it in a dry run. Raises ModelRefused."""
        if self._model is not None or self._announced:
            return
        with self._reporting(source_model.name, self.KIND):
            if not self._report.dry_run:
                self._model = self._registry.models.create(
                    source_model.name,
                    description=source_model.description or None,
                    tags=self._tags(source_model.name, self.KIND, self._labels(source_model)),
                    lifecycle=self._lifecycle,
                    claimed=self._claims(source_model),
                )
            self._report.add(source_model.name, self.KIND, "created")
            self._announced = True
        if not self._announced:
            raise ModelRefused

    def _labels(self, source_version: Any) -> Mapping[str, Any]:
        """Return the tags of MLflow's model."""
        return cast("Mapping[str, Any]", source_version.tags)

    def _import_version(self, model: Any, source_version: Any) -> VersionView | None:
        """Return the version here of MLflow's *model*, made if need be; None where there is none then."""
        from registry.client import errors

        name, number, what = source_version.name, int(source_version.version), f"version {source_version.version}"
        done: list[VersionView] = []
        with self._reporting(name, what):
            try:
                here = self._registry.versions.get(name, number) if self._model else None
            except errors.NotFound:
                here = None
            if here is not None and (here["state"] == "deleted" or not self._differs(source_version, here)):
                deleted = here["state"] == "deleted"
                self._report.add(name, what, "existing", "it was deleted here" if deleted else "")
                return None if deleted else here
            if here is not None:
                self._report.add(name, what, "changed", f"its {self.CONTENT} are not those that the number has here")
                return None
            if source_version.status != "READY":
                raise errors.UnfitSource(f"it is {source_version.status} there.")
            if self._report.dry_run:
                self._readable(source_version)
                self._ensure_model(model)
                self._report.add(name, what, "created")
            else:
                done.append(self._register(model, source_version, number))
                self._report.add(name, what, "created")
        return done[0] if done else None

    def _register(self, model: Any, source_version: Any, number: int) -> VersionView:
        from registry.cli.mlflow.library import NOTES
        from registry.cli.mlflow.measures import LOGGED_MODEL
        from registry.client import registration, tracked
        from registry.client.files.selection import Selection

        logged = self._library.known("get_logged_model", _logged_model(source_version))
        run_id = source_version.run_id or getattr(logged, "source_run_id", None)
        run = self._library.known("get_run", run_id)
        if logged is None and run is not None:
            logged = self._library.known("get_logged_model", run.data.tags.get(LOGGED_MODEL))
        with self._files(source_version) as files:
            facts = tracked.facts(run, logged, run_id=run_id, url=None)
            facts["number"], facts["claimed"] = number, self._claims(source_version)
            facts["description"] = source_version.description or None
            facts["tags"] = self._tags(source_version.name, f"version {number}", source_version.tags)
            facts["origin"] = {
                "source": (source_version.source or "")[:4096] or None,
                "run_link": (source_version.run_link or "")[:4096] or None,
                "logged_model": _logged_model(source_version),
            }
            if self._model is None:  # it is made for files that can be registered only
                registration.selected(files, Selection(exclude=NOTES), allow_secrets=self._allow_secrets)
                self._ensure_model(model)
            done = self._registry.register(
                source_version.name,
                files,
                exclude=NOTES,
                default_ignores=False,
                detect="files",
                allow_secrets=self._allow_secrets,
                jobs=self._jobs,
                progress=self._progress,
                **facts,
            )
        return done["version"]

    def _differs(self, source_version: Any, here: VersionView) -> bool:
        """Return whether the number has other files here. Claims of an earlier import count unless --check is given."""
        claimed, expected = here["claimed"] or {}, self._claims(source_version)
        imported = all(claimed.get(key) == expected.get(key) for key in ("uri", "created_at", "source"))
        return not (imported and not self._check) and self._has_other_content(source_version, here)

    def _has_other_content(self, source_version: Any, here: VersionView) -> bool:
        from registry.cli.mlflow.library import NOTES

        with self._files(source_version) as files:
            compared = self._registry.verify(
                files, f"{source_version.name}:{here['number']}", exclude=NOTES, jobs=self._jobs
            )
        return not compared.ok

    def _claims(self, source_version: Any) -> dict[str, Any]:
        from registry.client import tracked
        from registry.client.fields import given

        return given(
            system="mlflow",
            uri=self._library.uri,
            created_at=tracked.instant(source_version.creation_timestamp),
            updated_at=tracked.instant(source_version.last_updated_timestamp),
            created_by=getattr(source_version, "user_id", None) or None,
            stage=getattr(source_version, "current_stage", None),
            source=getattr(source_version, "source", None) or None,
            run_id=getattr(source_version, "run_id", None) or None,
            run_link=getattr(source_version, "run_link", None) or None,
        )

    def _tags(self, model: str, what: str, tags: Mapping[str, Any]) -> dict[str, str] | None:
        """Return the tags that can be kept; the others are reported."""
        kept: dict[str, str] = {}
        for key, value in tags.items():
            if names.tag_key_problem(key) is None and len(str(value)) <= names.TAG_VALUE_LENGTH and len(kept) < TAGS:
                kept[key] = str(value)
            else:
                self._report.add(model, f"{what}, tag {key!r}", "skipped", "too long, too many, or a name refused here")
        return kept or None

    def _import_aliases(self, source_version: Any, model: ModelView | None, here: Mapping[int, VersionView]) -> None:
        pointing = {} if model is None else self._registry.models.get(source_version.name)["aliases"]
        for alias, version in dict(source_version.aliases or {}).items():
            what, number = f"alias {alias}", int(version)
            if refused := self._alias_problem(alias):
                self._report.add(source_version.name, what, "skipped", refused)
            elif pointing.get(alias) == number:
                self._report.add(source_version.name, what, "existing")
            elif alias in pointing:
                self._report.add(source_version.name, what, "changed", f"it points at version {pointing[alias]} here")
            elif self._report.dry_run:
                self._report.add(source_version.name, what, "created")
            elif number not in here:
                self._report.add(source_version.name, what, "skipped", f"version {number} is not here")
            else:
                with self._reporting(source_version.name, what):
                    self._registry.aliases.set(
                        source_version.name, alias, number, expected_current=None, reason=self._reason
                    )
                    self._report.add(source_version.name, what, "created")

    def _alias_problem(self, alias: str) -> str | None:
        return None if names.alias_problem(alias) is None else "the name is refused here: no numbers, stages, latest"

    def _foresee(self, versions: Sequence[Any]) -> None:
        in_production = [version for version in versions if version.current_stage == "Production"]
        if self._lifecycle != "open":
            for version in in_production[:-1]:
                reason = superseded_by(int(in_production[-1].version))
                self._report.add(version.name, f"version {version.version}, stage", "noted", reason)

    def _readable(self, source_version: Any) -> None:
        from registry.client import errors

        try:
            with self._library.explained():
                self._library.peek(source_version)
        except click.ClickException as error:
            raise errors.UnfitSource(f"its files cannot be read: {error.message}") from error

    @contextmanager
    def _files(self, source_version: Any) -> Iterator[Any]:
        """Yield the version's files. Raises UnfitSource when MLflow cannot read them."""
        from registry.cli.mlflow.library import reason
        from registry.client import errors

        files = self._library.files(source_version)
        try:
            path = files.__enter__()
        except Exception as error:
            raise errors.UnfitSource(f"its files cannot be read: {reason(error)}.") from error
        try:
            yield path
        finally:
            files.__exit__(None, None, None)

    @contextmanager
    def _reporting(self, model: str, what: str) -> Iterator[list[bool]]:
        with reporting(self._report, model, what) as marks:
            yield marks


def _logged_model(source_version: Any) -> str | None:
    named = getattr(source_version, "model_id", None) or ""
    source = str(source_version.source or "")
    if not named and source.startswith("models:/m-") and "/" not in source.removeprefix("models:/"):
        named = source.removeprefix("models:/")
    return named[:64] or None
