"""``registry search``: versions or models by a filter."""

from __future__ import annotations

import click

from registry.cli.support import formatting
from registry.cli.support.options import connected, fields, limit
from registry.cli.support.session import Session


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
@fields
@limit(50)
@connected
def search(
    session: Session, filter: str, models: bool, order_by: str | None, fields: tuple[str, ...], limit: int
) -> None:
    """Search versions, or models, with a filter.

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
      registry search "tags.team = 'risk'" --models --json --fields name,tags
    """
    if models:
        field_names = session.fields(formatting.MODEL_FIELDS, fields)
        results = session.registry.search.models(filter or None, order_by=order_by, fields=field_names)
        session.list(results, formatting.MODEL_COLUMNS, formatting.model_row, empty=formatting.NO_MODELS, limit=limit)
    else:
        field_names = session.fields(formatting.VERSION_FIELDS, fields)
        versions = session.registry.search.versions(
            filter or None, order_by=order_by, fields=field_names, on_warning=session.warn
        )
        session.list(
            versions, formatting.VERSION_COLUMNS, formatting.version_row, empty=formatting.NO_VERSIONS, limit=limit
        )
