"""Values that were measured together, and the dataset that they were measured on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from registry.domain.errors import Invalid
from registry.rules import suggestions

Named = tuple[str, Sequence[str]]  # a dataset's name and its digests


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Metrics by name. ``dataset_digest`` is None where the data was not named.

    ``slice`` is the part of that data, as ``rules.slices`` writes it; empty for the whole data.
    """

    metrics: Mapping[str, float]
    step: int | None = None
    dataset_digest: str | None = None
    dataset_name: str | None = None
    slice: str = ""


def identified(evaluation: Evaluation, datasets: Iterable[Named]) -> Evaluation:
    """Return the evaluation with digest and name of its dataset, completed from the *datasets* of its version.

    Raises Invalid for a name alone that none of them has, or that does not identify one digest.
    """
    digest, name = evaluation.dataset_digest, evaluation.dataset_name
    if digest is not None:
        known = (one for one, digests in datasets if digest in digests)
        return replace(evaluation, dataset_name=name or next(known, None))
    if name is None:
        return evaluation
    all_datasets = list(datasets)
    matching = sorted({one for other, digests in all_datasets if other == name for one in digests})
    if not matching:
        others = sorted({other for other, _ in all_datasets})
        near = suggestions.hint(suggestions.nearest(name, others))
        listed = f"its datasets are {', '.join(others[:10])}" if others else "it has no datasets"
        raise Invalid.field(
            "dataset_name", f"the version has no dataset {name!r}: {listed}; send dataset_digest for other data{near}"
        )
    if len(matching) > 1:
        text = f"{name!r} is {len(matching)} digests of the version: send one as dataset_digest: {', '.join(matching)}"
        raise Invalid.field("dataset_name", text)
    return replace(evaluation, dataset_digest=matching[0])


def unsaid(metrics: Mapping[str, float], evaluations: Iterable[Evaluation]) -> dict[str, float]:
    """Return those of a run's *metrics* of which no evaluation has a value: the others are known with their data.

    The value on a slice is not the value on its whole dataset.
    """
    named = {key for evaluation in evaluations if not evaluation.slice for key in evaluation.metrics}
    return {key: value for key, value in metrics.items() if key not in named}


def of_records(records: Iterable[Any]) -> tuple[Evaluation, ...]:
    """Return an evaluation for each record of a version's evaluations, in their order."""
    return tuple(
        Evaluation({one.metric: one.value}, None, one.dataset_digest, one.dataset_name, one.slice) for one in records
    )


def by_metric(evaluations: Iterable[Evaluation]) -> dict[tuple[str, str | None, str], str | None]:
    """Return the name of the dataset for each metric, digest and slice."""
    return {(key, one.dataset_digest, one.slice): one.dataset_name for one in evaluations for key in one.metrics}
