"""Metrics with their datasets: ``auc=0.93@test.csv`` as the facts of a request, and back as people read them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from registry.cli.support import version_facts
from registry.cli.support.cells import Digest, Value
from registry.rules import digests, suggestions

if TYPE_CHECKING:
    from registry.cli.support.parsing import Metric
    from registry.client.types import EvaluationView, VersionView

Named = Mapping[str, Any]  # dataset_digest and dataset_name


def without_dataset(metrics: Iterable[Metric]) -> list[tuple[str, float]]:
    """Return the metrics that name no dataset."""
    return [(key, value) for key, value, dataset in metrics if dataset is None]


def of(metrics: Iterable[Metric], datasets: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return one evaluation for each dataset that a metric names: one of *datasets*, a file here, or a digest.

    Raises UsageError for any other, and for a metric that is given twice on one dataset.
    """
    by_dataset: dict[tuple[str | None, str], dict[str, Any]] = {}
    for key, value, text in metrics:
        if text is None:
            continue
        named = _registered(text, datasets) or _as_registered(local(text), datasets)
        if named is None:
            names = [str(one["name"]) for one in datasets]
            near = suggestions.hint(suggestions.nearest(text, names))
            raise click.UsageError(
                f"--metric {key}=…@{text}: {text!r} is no dataset of --data, no file here and no digest{near or '.'}"
            )
        one = by_dataset.setdefault((named.get("dataset_name"), named["dataset_digest"]), {"metrics": {}, **named})
        if key in one["metrics"]:
            raise click.UsageError(f"--metric {key!r} is given twice on {text!r}.")
        one["metrics"][key] = value
    return list(by_dataset.values())


def measured_on(metrics: Sequence[Metric], data: str | None) -> Named:
    """Return the one dataset of ``version measure``; empty without one. Raises UsageError for several."""
    texts = list(dict.fromkeys(data if dataset is None else dataset for _, _, dataset in metrics))
    if len(texts) > 1:
        listed = ", ".join("no dataset" if text is None else repr(text) for text in texts)
        raise click.UsageError(f"One measurement is on one dataset, not on {listed}: run the command once for each.")
    (text,) = texts
    return {} if text is None else local(text) or {"dataset_name": text}


def local(text: str) -> Named | None:
    """Return the dataset that is here, a digest, or an address with a digest; None for neither."""
    from registry.client.files import scan

    if scan.exists(text) or "@" in text:
        dataset = version_facts.dataset(text)
        return {"dataset_digest": dataset["digests"][0], "dataset_name": dataset["name"]}
    try:
        return {"dataset_digest": digests.stored(text)}
    except ValueError:
        return None


def values(version: VersionView) -> list[Value]:
    """Return all metrics of a version, each with the datasets that it was measured on."""
    evaluated: list[EvaluationView] = version.get("evaluations") or []  # an earlier release does not send them
    named = {one["metric"] for one in evaluated}
    cells = [Value(key, value) for key, value in version["metrics"].items() if key not in named]
    cells += [Value(one["metric"], one["value"], label(one), one.get("slice", "")) for one in evaluated]
    return sorted(cells, key=lambda one: one.key)


def label(named: Mapping[str, Any]) -> str | None:
    """Return the name of a dataset, or its digest where it has none."""
    name, digest = named.get("dataset_name"), named.get("dataset_digest")
    return name or (Digest(digest) if digest else None)


def _as_registered(named: Named | None, datasets: Sequence[Mapping[str, Any]]) -> Named | None:
    """Return a dataset with the name that --data gives the same data, if it does."""
    same = [one for one in datasets if named is not None and named["dataset_digest"] in one["digests"]]
    return {**named, "dataset_name": same[0]["name"]} if named is not None and len(same) == 1 else named


def _registered(text: str, datasets: Sequence[Mapping[str, Any]]) -> Named | None:
    """Return the dataset of --data that has this name, unless several files have it."""
    matching = [one for one in datasets if one["name"] == text]
    return {"dataset_digest": matching[0]["digests"][0], "dataset_name": text} if len(matching) == 1 else None
