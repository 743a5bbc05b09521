"""Versions from upstream tracking servers: the servers that may have a source, and the facts that they return."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from registry.domain import artifact_area, tracked
from registry.domain.errors import Conflict, NotFound, RegistryError, Unavailable
from registry.domain.lineage import Run, Snapshot
from registry.domain.manifest import File
from registry.domain.registrations import Followed, Registration
from registry.domain.tracked import Subject
from registry.rules.mlflow_runs import SYSTEM, Logged
from registry.services.artifacts import mlflow_sources
from registry.services.imports import import_kinds
from registry.services.imports.copy import Job
from registry.services.imports.import_kinds import Kind
from registry.storage.sources import Empty, Sources
from registry.tracking import snapshots
from registry.tracking.artifact_folders import Folder, walk
from registry.tracking.responses import LoggedModel, TrackedRun
from registry.tracking.server import TrackingServer

OUTPUTS = 100
TRACKING = "tracking"


@dataclass(frozen=True, slots=True)
class Upstream:
    """A tracking server, and the artifact roots of it that are read without asking it."""

    server: TrackingServer
    roots: Sources
    has_roots: bool

    def may_have(self, subject: Subject) -> bool:
        """Return whether the server's artifact locations include the subject's files; sends no request."""
        if subject.location is None:
            return True
        if subject.location.startswith("s3://") and self.has_roots:
            return self.roots.allows(subject.location)
        try:
            tracked.proxied(subject.location, self.server.url)
        except ValueError:
            return False
        return True


@dataclass(frozen=True, slots=True)
class _KnownRun:
    """The facts from a server: the *run* is None for a model that was logged outside of any."""

    upstream: Upstream
    run: TrackedRun | None = None
    model: LoggedModel | None = None
    path: str = ""

    @property
    def run_id(self) -> str | None:
        return self.run.id if self.run else None

    @property
    def location(self) -> str:
        """Return the location of the files, by the server's response."""
        root = self.model.artifact_uri if self.model else self.run.artifact_uri if self.run else ""
        return f"{root.rstrip('/')}/{self.path}" if self.path else root


def facts_of(
    source: str,
    *,
    run_id: str | None,
    logged_model: str | None,
    upstreams: Sequence[Upstream],
    sources: Sources | None,
    hosts: Collection[str] = (),
) -> Mapping[str, Any] | None:
    """Return the facts with which a version of this source is to be reserved.

    None where no worker could fetch its files.

    Sends no request: the server that may have the files need not have them. *sources* is None for a caller who may not
    import. *hosts* are the names under which this registry is served.
    """
    subject = tracked.subject_of(source, run_id=run_id, logged_model=logged_model)
    if subject and any(upstream.may_have(subject) for upstream in upstreams):
        return {"kind": TRACKING, **asdict(subject), "may_import": sources is not None, "hosts": sorted(hosts)}
    return {"kind": "location"} if sources is not None and sources.allows(source) else None


def look(source: str, facts: Mapping[str, Any], *, upstreams: Sequence[Upstream], sources: Sources) -> _KnownRun | None:
    """Request the version's run and logged model from the *upstreams*; None where the location is to be imported.

    Raises NotFound or Conflict where no version can result, or Unavailable.
    """
    try:
        return _find_upstream(_subject(facts), upstreams)
    except NotFound:
        if not facts.get("may_import", True) or not sources.allows(source):
            raise
        return None


def fetch(job: Job, known: _KnownRun | None, sources: Sources) -> Registration:
    """Fetch what :func:`look` has found. Raises Refused, Conflict, NotFound or Unavailable."""
    return _describe_version(job, known, _subject(job.facts)) if known else import_kinds.from_location(sources)(job)


def from_tracking(upstreams: Sequence[Upstream], sources: Sources) -> Kind:
    """Return a kind that fetches a version's source from the first of the *upstreams* that has it.

    Where none has it, but its files may be imported, they are. Raises Refused, Conflict, NotFound or Unavailable.
    """
    return lambda job: fetch(job, look(job.source, job.facts, upstreams=upstreams, sources=sources), sources)


def _subject(facts: Mapping[str, Any]) -> Subject:
    return Subject(**{name: facts[name] for name in ("logged_model", "run_id", "path", "location")})


def _find_upstream(subject: Subject, asked: Sequence[Upstream]) -> _KnownRun:
    """Return the facts of the first server that has the subject; else raise the error that is most likely to pass."""
    refusals: list[RegistryError] = []
    for upstream in asked:
        if not upstream.may_have(subject):
            continue
        try:
            return _ask_upstream(subject, upstream)
        except (NotFound, Conflict, Unavailable) as refusal:
            refusals.append(refusal)
    reasons = "; ".join(refusal.detail for refusal in refusals)
    for kind in (Unavailable, Conflict):
        if any(isinstance(refusal, kind) for refusal in refusals):
            raise kind(reasons)
    raise NotFound(reasons or "no tracking server that is configured now may have it (REGISTRY_MLFLOW_TRACKING)")


def _ask_upstream(subject: Subject, upstream: Upstream) -> _KnownRun:
    if subject.logged_model:
        model = upstream.server.logged_model(subject.logged_model)
        if subject.run_id and model.source_run_id != subject.run_id:
            origin = f"the run {model.source_run_id}" if model.source_run_id else "no run"
            raise Conflict(f"the logged model {model.id} comes from {origin}, not from {subject.run_id}")
        path = _path_of(subject, model.artifact_uri)
        return _KnownRun(upstream, _run_of(model, upstream), model, path)
    run = upstream.server.run(subject.run_id or "")
    return _KnownRun(upstream, run, None, subject.path or _path_of(subject, run.artifact_uri))


def _run_of(model: LoggedModel, upstream: Upstream) -> TrackedRun | None:
    """Return the run that logged the model; one that was deleted for good is known by its id alone."""
    run_id = model.source_run_id
    if run_id is None or not tracked.RUN_ID.match(run_id):
        return None
    try:
        return upstream.server.run(run_id)
    except NotFound:
        return TrackedRun(run_id, "", "", Logged())


def _path_of(subject: Subject, root: str) -> str:
    """Return where below *root* the subject's files are. Raises Conflict when they are elsewhere."""
    if subject.location is None:
        return ""
    path = tracked.below(subject.location, root)
    if path is None:
        raise Conflict(f"{subject.location} is not below {root}, where the tracking server keeps these artifacts")
    return path


def _describe_version(job: Job, known: _KnownRun, subject: Subject) -> Registration:
    files, taken_from = _files(job, known)
    if not files and known.run and known.path and subject.location is None:
        # MLflow 3 keeps what a run has logged under a name as a logged model, apart from the run's own artifacts.
        known = _logged_as(known, known.run)
        files, taken_from = _files(job, known)
    if not files:
        raise NotFound(f"{known.upstream.server.url} lists no files at {job.source}")
    logged = _logged(known)
    return import_kinds.described(
        files,
        store=job.store,
        contents=job.contents,
        lineage=_snapshot(known),
        params=logged.params,
        metrics=logged.metrics,
        evaluations=snapshots.evaluations_of(logged),
        follows=_followed(known),
        area=taken_from,
    )


def followed(run: Run | None, logged_model: str | None, upstreams: Sequence[Upstream]) -> Followed | None:
    """Return the run of a caller that is to be read until it has ended; None where there is no need.

    Any of the *upstreams* may have it. Without one it waits when the caller states a beginning and no end: a server may
    be configured later.
    """
    if run is None or run.system != SYSTEM or run.finished_at or not tracked.RUN_ID.match(run.id):
        return None
    if not upstreams and run.started_at is None:
        return None
    is_known = logged_model and tracked.LOGGED_MODEL_ID.match(logged_model)
    return Followed(None, run.id, logged_model if is_known else None)


def _followed(known: _KnownRun) -> Followed | None:
    if known.run is None or not known.run.is_unfinished:
        return None
    return Followed(known.upstream.server.url, known.run.id, known.model.id if known.model else None)


def look_again(followed: Followed, upstreams: Sequence[Upstream]) -> Registration:
    """Return what is known by now of a run that was unfinished; it ``follows`` the run unless that has ended.

    A logged model of another run, which a client may have named, is left out.
    Raises NotFound when the server answers and has no such run; Conflict or Unavailable.
    """
    upstream, run = _owner(followed, upstreams)
    model = None
    if followed.logged_model:
        with suppress(NotFound):  # it was deleted; its run was not
            named = upstream.server.logged_model(followed.logged_model)
            model = named if named.source_run_id == run.id else None
    known = _KnownRun(upstream, run, model)
    logged = _logged(known)
    return Registration(
        files=(),
        lineage=_snapshot(known),
        params=logged.params,
        metrics=logged.metrics,
        evaluations=snapshots.evaluations_of(logged),
        follows=_followed(known),
    )


def _owner(followed: Followed, upstreams: Sequence[Upstream]) -> tuple[Upstream, TrackedRun]:
    """Return the server that has the run, and the run. Raises NotFound, Conflict or Unavailable."""
    asked = [one for one in upstreams if followed.server in {one.server.url, None}]
    if not asked:
        named = f" {followed.server}, which has the run" if followed.server else " a server that may have the run"
        raise Unavailable(f"REGISTRY_MLFLOW_TRACKING does not name{named}")
    refusals: list[RegistryError] = []
    for upstream in asked:
        try:
            return upstream, upstream.server.run(followed.run_id)
        except (NotFound, Conflict, Unavailable) as refusal:
            refusals.append(refusal)
    if doubt := next((one for one in refusals if not isinstance(one, NotFound)), None):
        raise doubt
    for upstream in asked:
        try:
            upstream.server.check()
        except NotFound as error:
            raise Unavailable(f"{upstream.server.url} does not answer as a tracking server") from error
    raise NotFound("; ".join(one.detail for one in refusals))


def _files(job: Job, known: _KnownRun) -> tuple[list[File], str | None]:
    """Fetch the files; none where there are none. What cannot be registered is not fetched either.

    The second value is the path in this registry's artifact area of files that were sent there.
    """
    server, roots = known.upstream.server, known.upstream.roots
    if (artifact_files := _sent_here(job, known.location)) is not None:
        if artifact_files.files:
            import_kinds.take(job, artifact_files.files)
        return list(artifact_files.files), artifact_files.area
    folder = _folder(known)
    try:
        if known.location.startswith("s3://") and known.upstream.has_roots:
            return import_kinds.fetch_all(job, roots, known.location), None
        entries = walk(folder, keep=job.keeps, pulse=job.pulse)
        job.check((entry.path, entry.size) for entry in entries)
    except (Empty, NotFound):
        return [], None
    return job.fetch_all((entry.path, partial(server.read, folder, entry)) for entry in entries), None


def _sent_here(job: Job, location: str) -> mlflow_sources.ArtifactFiles | None:
    """Return the files at a location in this registry's artifact area; None for another location.

    Raises Conflict for files of several accounts, or Unavailable while one is not hashed.
    """
    hosts = job.facts.get("hosts", ())
    if not location.startswith(("http://", "https://")) or artifact_area.path_in(location, hosts=hosts) is None:
        return None
    artifact_files = mlflow_sources.manifest_at(location, hosts=hosts) or mlflow_sources.ArtifactFiles("", ())
    if artifact_files.waiting:
        raise Unavailable(f"{len(artifact_files.waiting)} files at {location} are still to be read and hashed")
    return artifact_files


def _folder(known: _KnownRun) -> Folder:
    if known.model:
        return known.upstream.server.folder_of_model(known.model, known.path)
    if known.run is None:
        raise NotFound("the tracking server names neither a run nor a logged model")
    return known.upstream.server.folder_of_run(known.run, known.path)


def _logged_as(known: _KnownRun, run: TrackedRun) -> _KnownRun:
    """Return the logged model that the run calls by the path. Raises NotFound."""
    for model_id in reversed(run.outputs[-OUTPUTS:]):
        if tracked.LOGGED_MODEL_ID.match(model_id):
            model = known.upstream.server.logged_model(model_id)
            if model.name == known.path:
                return replace(known, model=model, path="")
    raise NotFound(f"the run {run.id} has neither artifacts nor a logged model that is called {known.path!r}")


def _snapshot(known: _KnownRun) -> Snapshot:
    run = known.run
    if run is None:
        return Snapshot()
    origin: Run = snapshots.run_of(run, known.upstream.server.run_page(run))
    return Snapshot(run=origin, code=snapshots.code_of(run), datasets=tuple(snapshots.datasets_of(run)))


def _logged(known: _KnownRun) -> Logged:
    """Return what was logged for the logged model, without metrics that its run has as no number."""
    if known.model is None:
        return Logged()
    return known.model.logged.without(known.run.logged.unmeasured if known.run else {})
