"""A tracked run as the lineage of a version."""

from __future__ import annotations

from collections.abc import Iterator

from registry.domain.evaluations import Evaluation
from registry.domain.lineage import Code, Dataset, DatasetRole, Run
from registry.rules import mlflow_tags
from registry.rules.mlflow_runs import SYSTEM, Logged
from registry.tracking.responses import TrackedRun


def run_of(tracked: TrackedRun, url: str | None) -> Run:
    """Return the run as it is now; *url* is its page."""
    return Run(
        system=SYSTEM,
        id=tracked.id,
        url=url,
        params=tracked.logged.params,
        metrics=tracked.logged.metrics,
        unmeasured=tracked.logged.unmeasured,
        tags=tracked.logged.tags,
        started_at=tracked.started_at,
        finished_at=tracked.finished_at,
    )


def code_of(tracked: TrackedRun) -> Code | None:
    """Return the source that the run was started from."""
    named = mlflow_tags.code(tracked.logged.tags)
    return Code(named.get("repo"), named.get("commit"), named.get("path")) if named else None


def datasets_of(tracked: TrackedRun) -> Iterator[Dataset]:
    """Yield the data that the run has read, at the digests that MLflow has of them."""
    for one in tracked.inputs:
        yield Dataset(
            name=one.name,
            digests=(one.digest,),
            uri=one.uri,
            role=DatasetRole(one.role),
            rows=one.rows,
            schema=one.schema,
        )


def evaluations_of(logged: Logged) -> tuple[Evaluation, ...]:
    """Return the metrics that name a dataset, one evaluation for each value."""
    return tuple(
        Evaluation({one.key: one.value}, dataset_digest=one.dataset_digest, dataset_name=one.dataset_name)
        for one in logged.evaluations
    )
