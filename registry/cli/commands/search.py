"""``registry search``: versions or models by a filter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from registry.cli.support import evaluations, formatting
from registry.cli.support.options import connected, fields, limit
from registry.cli.support.parsing import SLICE
from registry.cli.support.session import Session
from registry.domain.stages import Stage
from registry.rules.metric_directions import MetricDirection

if TYPE_CHECKING:
    from registry.client.types import BestView, VersionView

BEST_COLUMNS = ("version", "value", "dataset", "slice", "stage", "state", ("registered", "by"), "aliases")
QUOTE = "'"


def _suggest_filters(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Return the texts that the filter can become; none where the registry does not answer at once."""
    from registry.client import RegistryClient

    options = {name: ctx.params.get(name) for name in ("url", "token", "ca_file")}
    of = "models" if ctx.params.get("models") else "versions"
    try:
        with Session(insecure=bool(ctx.params.get("insecure")), as_json=True, **options) as session:
            at = session.target
        with RegistryClient(at.url, at.token, insecure=at.insecure, ca_file=at.ca_file, retries=0, timeout=2) as client:
            found = client.search.complete(incomplete, of=of)
    except (Exception, SystemExit):
        return []
    return [incomplete[: found["start"]] + item["text"] for item in found["items"]]


@click.command()
@click.argument("filter", default="", metavar="[FILTER]", shell_complete=_suggest_filters)
@click.option("--models", is_flag=True, help="Search models instead of versions.")
@click.option(
    "--order-by", metavar="KEYS", help='E.g. "metrics.auc DESC, name". Default: newest first; models by name.'
)
@click.option("--best", metavar="METRIC", help="The best versions by this metric on the dataset of --on.")
@click.option("--on", metavar="DATA", help="For --best: a file here, a digest, or the name of a dataset.")
@click.option("--slice", "part", type=SLICE, help="For --best: the slice of the dataset, e.g. country=DE.")
@click.option(
    "--direction",
    type=click.Choice([one.value for one in MetricDirection]),
    help="For --best: whether the highest or the lowest value is the best. Default: by the metric's name.",
)
@click.option("--model", metavar="NAME", help="Only versions of this model.")
@click.option("--stage", type=click.Choice([one.value for one in Stage]), help="Only versions in this stage.")
@fields
@limit(50)
@connected
def search(
    session: Session,
    filter: str,
    *,
    models: bool,
    best: str | None,
    fields: tuple[str, ...],
    limit: int,
    **options: Any,
) -> None:
    """Search versions, or models, with a filter, or find the best versions by a metric.

    With --best, the versions that have the metric on the data of --on are listed, the best first, and the newest of
    equal ones. The end of the metric's name shows the direction, as of val.auc and test_rmse; --direction is for other
    names.

    \b
    A filter is KEY OPERATOR VALUE, joined by AND, OR, NOT and parentheses.
      keys        name, version_number, stage, status, created_at, updated_at, created_by, alias, framework,
                  tags.KEY, params.KEY, metrics.KEY ON 'DIGEST' (its latest value on that dataset),
                  metrics.KEY (its latest value, whatever the data), run.id, run.triggered_by,
                  code.commit, code.branch, dataset.name, dataset.digest, lineage.missing, source_path; of models name,
                  tags.KEY, alias, lifecycle, created_at, updated_at, created_by, stage (of a version). Any other KEY in
                  backticks: tags.`any key`
      operators   = != LIKE ILIKE IN (…) of texts, also with NOT; = != < <= > >= of numbers and times;
                  IS NULL, IS NOT NULL of everything. In LIKE % is any text, _ any character.
      values      texts and times in quotes: 'risk', "2026-11-21"; numbers without

    \b
    Example:
      registry search 'metrics.auc > 0.9 AND stage = "production"'
      registry search 'name LIKE "fraud%" AND NOT alias IS NULL' --order-by 'metrics.auc DESC'
      registry search "name = 'fraud'" --order-by "metrics.auc ON 'sha256:…' DESC"
      registry search --best auc --on test.csv --model fraud
      registry search --best latency_ms --on sha256:… --slice country=DE --stage production
      registry search "tags.team = 'risk'" --models --json --fields name,tags
    """
    of_best = {name: options[key] for name, key in (("on", "on"), ("slice", "part"), ("direction", "direction"))}
    order_by = options["order_by"]
    if best is None and any(of_best.values()):
        raise click.UsageError("--on, --slice and --direction are for --best.")
    if best is not None and (models or order_by or not of_best["on"]):
        raise click.UsageError("--best needs --on, and takes neither --models nor --order-by.")
    if models:
        if options["model"] or options["stage"]:
            raise click.UsageError("--model and --stage are for versions.")
        field_names = session.fields(formatting.MODEL_FIELDS, fields)
        results = session.registry.search.models(filter or None, order_by=order_by, fields=field_names)
        session.list(results, formatting.MODEL_COLUMNS, formatting.model_row, empty=formatting.NO_MODELS, limit=limit)
        return
    field_names = session.fields(formatting.VERSION_FIELDS, fields)
    narrowed = _narrowed(filter, options["model"], options["stage"])
    if best is None:
        versions = session.registry.search.versions(
            narrowed, order_by=order_by, fields=field_names, on_warning=session.warn
        )
        session.list(
            versions, formatting.VERSION_COLUMNS, formatting.version_row, empty=formatting.NO_VERSIONS, limit=limit
        )
        return
    order: list[BestView] = []
    of_best["on"] = (evaluations.local(of_best["on"]) or {}).get("dataset_digest", of_best["on"])
    versions = session.registry.search.best(best, filter=narrowed, fields=field_names, on_order=order.append, **of_best)
    session.list(
        versions, BEST_COLUMNS, lambda version: _best_row(version, order[0]), empty=formatting.NO_VERSIONS, limit=limit
    )


def _narrowed(filter: str, model: str | None, stage: str | None) -> str | None:
    """Return the filter with the conditions of options; None without any."""
    quoted = {"name": model, "stage": stage}
    parts = [f"{key} = '{value.replace(QUOTE, 2 * QUOTE)}'" for key, value in quoted.items() if value]
    return " AND ".join([*parts, *([f"({filter})" if parts else filter] if filter.strip() else [])]) or None


def _best_row(version: VersionView, order: BestView) -> list[object]:
    """Return a line of the best versions: the value that decides is the one that was recorded last."""
    data = (order["metric"], order["slice"])
    measured = [one for one in version["evaluations"] if (one["metric"], one.get("slice", "")) == data]
    value = [one for one in measured if one["dataset_digest"] in order["digests"]][-1]
    name, stage, state, *others = formatting.version_row(version)
    return [name, value["value"], evaluations.label(value), value.get("slice", ""), stage, state, *others[:-1]]
