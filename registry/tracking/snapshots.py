"""What a tracking server told of a run, as lineage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from registry.domain.lineage import Code, Dataset, DatasetRole, Run
from registry.rules import mlflow_tags
from registry.tracking.responses import Input, TrackedRun

SYSTEM = "mlflow"
NAME_LENGTH, DIGEST_LENGTH, URI_LENGTH = 500, 128, 2048
# MLflow's own word is "training"; the others are what people write.
_ROLES: Mapping[str, DatasetRole] = {
    "train": DatasetRole.TRAIN, "training": DatasetRole.TRAIN,
    "val": DatasetRole.VALIDATION, "validation": DatasetRole.VALIDATION,
    "eval": DatasetRole.VALIDATION, "evaluation": DatasetRole.VALIDATION,
    "test": DatasetRole.TEST, "testing": DatasetRole.TEST,
}  # fmt: skip
# Where the sources that MLflow knows keep their address.
_ADDRESSES = ("uri", "url", "path", "dataset_source_url", "table_name", "delta_table_name")


def run_of(found: TrackedRun, url: str | None) -> Run:
    """The run as it stands; *url* is its page."""
    tags = {key: mlflow_tags.without_password(text) for key, text in found.told.tags.items()}
    return Run(
        system=SYSTEM,
        id=found.id,
        url=url,
        params=found.told.params,
        metrics=found.told.metrics,
        unmeasured=found.told.unmeasured,
        tags=tags,
        started_at=found.started_at,
        finished_at=found.finished_at,
    )


def code_of(found: TrackedRun) -> Code | None:
    """Return the source that the run was started from."""
    named = mlflow_tags.code(found.told.tags)
    return Code(named.get("repo"), named.get("commit"), named.get("path")) if named else None


def datasets_of(found: TrackedRun) -> Iterator[Dataset]:
    """The data that the run has read, at the digests that MLflow has of them."""
    for one in found.inputs:
        if len(one.name) <= NAME_LENGTH and len(one.digest) <= DIGEST_LENGTH:
            yield Dataset(
                name=one.name,
                digests=(f"{SYSTEM}:{one.digest}",),
                uri=_address(one),
                role=_ROLES.get(one.context.lower(), DatasetRole.OTHER),
                rows=_rows(one),
                schema=one.schema,
            )


def _address(one: Input) -> str | None:
    found = [one.source[name] for name in _ADDRESSES if name in one.source] if one.source else []
    texts = [mlflow_tags.without_password(text) for text in found if isinstance(text, str) and text]
    return texts[0] if texts and len(texts[0]) <= URI_LENGTH else None


def _rows(one: Input) -> int | None:
    rows = one.profile.get("num_rows") if one.profile else None
    return rows if type(rows) is int and 0 <= rows < 2**53 else None
