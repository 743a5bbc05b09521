"""Complete records from rows: one statement reads all of them, at any number."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from registry.db.base import Rows
from registry.db.batch import Answer, Query
from registry.db.fixed_statements import FixedStatement
from registry.db.models import Account, Model, Version
from registry.db.queries import artifacts, catalog, holds, json_columns, pages, row_sizes
from registry.db.records import EvaluationRecord, LineageRecord, ModelRecord, Page, VersionRecord
from registry.db.write_session import writing
from registry.domain.lineage import NodeKind

VERSION_COLUMNS: dict[str, Any] = {
    "model": Model.name,
    "model_id": Version.model_id,
    "number": Version.number,
    "state": Version.state,
    "state_reason": Version.state_reason,
    "stage": Version.stage,
    "rolled_back": Version.rolled_back,
    "break_glass": json_columns.version_break_glass(),
    "manifest_digest": Version.manifest_digest,
    "file_count": Version.file_count,
    "size": Version.size,
    "damaged": artifacts.has_damage(),
    "description": Version.description,
    "tags": json_columns.version_tags(),
    "aliases": json_columns.version_aliases(),
    "holds": holds.of_version(),
    "params": json_columns.version_params(),
    "metrics": json_columns.version_metrics(),
    "framework": Version.framework,
    "signature": Version.signature,
    "lineage": json_columns.version_lineage(),
    "source": Version.source,
    "location": Version.location,
    "run_id": Version.run_id,
    "run_link": Version.run_link,
    "run_state": Version.run_state,
    "logged_model": Version.logged_model,
    "created_at": Version.created_at,
    "created_by": Account.name,
    "updated_at": Version.updated_at,
    "revised_at": Version.revised_at,
    "claimed": Version.claimed,
    "deleted_at": Version.deleted_at,
    "purged_at": Version.purged_at,
    "row_version": Version.row_version,
}
MODEL_COLUMNS: dict[str, Any] = {
    "id": Model.id,
    "name": Model.name,
    "description": Model.description,
    "tags": json_columns.model_tags(),
    "lifecycle": Model.lifecycle,
    "latest_version": Model.latest_number,
    "stages": json_columns.model_holders(),
    "aliases": json_columns.model_aliases(),
    "protected_aliases": Model.protected_aliases,
    "created_at": Model.created_at,
    "created_by": Account.name,
    "updated_at": Model.updated_at,
    "revised_at": Model.revised_at,
    "claimed": Model.claimed,
    "deleted_at": Model.deleted_at,
    "row_version": Model.row_version,
}


def of_models(columns: dict[str, Any]) -> Rows:
    """Return the columns, of models and their creators."""
    return select(*columns.values()).select_from(Model).join(Account, Account.id == Model.created_by)


def of_versions(columns: dict[str, Any]) -> Rows:
    """Return the columns, of versions, their models and creators."""
    return (
        select(*columns.values())
        .select_from(Version)
        .join(Model, Model.id == Version.model_id)
        .join(Account, Account.id == Version.created_by)
    )


MODELS = pages.details(of_models(MODEL_COLUMNS), Model.id, row_sizes.model, name="models")
VERSIONS = pages.details(of_versions(VERSION_COLUMNS), Version.id, row_sizes.version, name="versions")
_ONE_MODEL = FixedStatement(of_models(MODEL_COLUMNS).where(Model.id == bindparam("id")))
NAMED_MODEL = FixedStatement(of_models(MODEL_COLUMNS).where(Model.id == catalog.model_id(bindparam("model"))))
_ONE_VERSION = FixedStatement(of_versions(VERSION_COLUMNS).where(Version.id == bindparam("id")))
_NUMBERED_VERSION = FixedStatement(
    of_versions(VERSION_COLUMNS).where(Version.model_id == bindparam("model"), Version.number == bindparam("number"))
)
NAMED_VERSION = FixedStatement(
    of_versions(VERSION_COLUMNS).where(Model.name == bindparam("model"), Version.number == bindparam("number"))
)


def model_record(session: Session, model: Model) -> ModelRecord:
    """Return the complete record of one model, as it was flushed."""
    return model_with_id(session, model.id)


def model_with_id(session: Session, model_id: str) -> ModelRecord:
    """Return the complete record of the model that has the id, deleted or not."""
    return model_records(rows(session, _ONE_MODEL, id=model_id))[0]


def version_record(session: Session, version: Version) -> VersionRecord:
    """Return the complete record of one version, as it was flushed."""
    return version_records(rows(session, _ONE_VERSION, id=version.id))[0]


def read_back(session: Session, version: Version) -> Answer[VersionRecord]:
    """Return the complete record of one version as the transaction leaves it: it is read with the commit."""
    query = Query(_ONE_VERSION, id=version.id)
    writing(session).ask_later(query)
    return Answer(lambda: version_records(query.rows)[0])


def read_model_back(session: Session, model: Model) -> Answer[ModelRecord]:
    """Return the complete record of one model as the transaction leaves it: it is read with the commit."""
    query = Query(_ONE_MODEL, id=model.id)
    writing(session).ask_later(query)
    return Answer(lambda: model_records(query.rows)[0])


def version_with_number(session: Session, model_id: str, number: int) -> VersionRecord:
    """Return the complete record of the version that has the number in the model of the id, deleted or not."""
    return version_records(rows(session, _NUMBERED_VERSION, model=model_id, number=number))[0]


def account_name(session: Session, account_id: str) -> str:
    """Return the name that stands for an account's id now."""
    return session.scalar(select(Account.name).where(Account.id == account_id)) or account_id


def rows(session: Session, statement: FixedStatement | Rows, /, **values: Any) -> Sequence[Any]:
    """Return all rows of a statement that selects columns."""
    if isinstance(statement, FixedStatement):
        query = Query(statement, **values)
        writing(session).ask(query)
        return query.rows
    return session.connection().execute(statement, values).all()


def page(session: Session, statement: Rows, *, by: Sequence[Any], limit: int) -> Page[tuple[Any, ...]]:
    """Run *statement* for *limit* rows; ``by`` are its sort columns, appended to the rows to find the next page."""
    fetched = session.execute(statement.add_columns(*by).limit(limit + 1)).all()
    more = len(fetched) > limit
    last = tuple(fetched[limit - 1][-len(by) :]) if more else None
    return Page([tuple(row)[: -len(by)] for row in fetched[:limit]], last)


def model_records(fetched: Iterable[Sequence[Any]]) -> list[ModelRecord]:
    """Complete records for rows of ``MODEL_COLUMNS``, in their order."""
    return [ModelRecord(**shape_model(dict(zip(MODEL_COLUMNS, row, strict=True)))) for row in fetched]


def version_records(fetched: Iterable[Sequence[Any]]) -> list[VersionRecord]:
    """Complete records for rows of ``VERSION_COLUMNS``, in their order."""
    return [VersionRecord(**document) for document in version_documents(fetched)]


def version_documents(fetched: Iterable[Sequence[Any]]) -> list[dict[str, Any]]:
    """Return the facts of complete records, for rows of ``VERSION_COLUMNS``, in their order."""
    documents = [shape_version(dict(zip(VERSION_COLUMNS, row, strict=True))) for row in fetched]
    settle_holds(documents)
    return documents


def settle_holds(documents: Sequence[dict[str, Any]]) -> None:
    """Replace the listings of holds in the documents of versions by the holds that concern them."""
    settled = holds.settled([document["holds"] for document in documents])
    for document, held in zip(documents, settled, strict=True):
        document["holds"] = held


def mapping(pairs: Iterable[Any] | None) -> dict[str, Any]:
    """Return the keys and values of a list as a dictionary."""
    return dict(sorted(pairs)) if pairs else {}


def shape_model(document: dict[str, Any]) -> dict[str, Any]:
    """Return the facts that a row's values, all or some of them by column, stand for."""
    for name, shape in _MODEL_SHAPES.items():
        if name in document:
            document[name] = shape(document[name])
    if "deleted_at" in document:
        document["state"] = "deleted" if document["deleted_at"] else "active"
    if "revised_at" in document:
        document["revised_at"] = document["revised_at"] or document["updated_at"]
    return document


def shape_version(document: dict[str, Any]) -> dict[str, Any]:
    """Return the facts that a row's values, all or some of them by column, stand for."""
    for name, shape in _VERSION_SHAPES.items():
        if name in document:
            document[name] = shape(document[name])
    if "metrics" in document:
        document["metrics"], document["evaluations"] = _measured_facts(document["metrics"] or ())
    if "revised_at" in document:
        document["revised_at"] = document["revised_at"] or document["updated_at"]
    return document


def _holders(rows: Iterable[tuple[str, int]] | None) -> dict[str, list[int]]:
    holders: dict[str, list[int]] = {"staging": [], "production": []}
    for stage, number in sorted(rows or ()):
        holders[stage].append(number)
    return holders


def _measured_facts(rows: Iterable[Any]) -> tuple[dict[str, float], list[EvaluationRecord]]:
    """Return the latest value of each metric, and the evaluations of those that were measured on a named dataset."""
    ordered = sorted(rows)  # by the first, which no two have
    metrics = dict(sorted({row[1]: float(row[2]) for row in ordered if not row[5]}.items()))
    on_datasets = {row[1] for row in ordered if row[3] is not None}
    evaluations = [
        EvaluationRecord(key, float(value), digest, name, part) for _, key, value, digest, name, part in ordered
        if key in on_datasets
    ] if on_datasets else []  # fmt: skip
    return metrics, evaluations


def _lineage_record(edges: Iterable[Sequence[Any]] | None) -> LineageRecord:
    parts: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for _place, kind, role, attributes, number, model in sorted(edges or (), key=itemgetter(0)):
        document = {"model": model, "version": number} if kind == NodeKind.VERSION else dict(attributes)
        if kind == NodeKind.DATASET:
            document["role"] = role
        elif kind in {NodeKind.VERSION, NodeKind.MODEL}:
            document["relation"] = role or None
        parts[kind].append(document)
    run, code, environment = (
        parts[kind][-1] if parts[kind] else None for kind in (NodeKind.RUN, NodeKind.CODE, NodeKind.ENVIRONMENT)
    )
    return LineageRecord(
        run=run,
        code=code,
        environment=environment,
        datasets=parts[NodeKind.DATASET],
        parents=parts[NodeKind.VERSION],
        base_models=parts[NodeKind.MODEL],
    )


_MODEL_SHAPES: dict[str, Callable[[Any], Any]] = {
    "tags": mapping,
    "stages": _holders,
    "aliases": mapping,
    "protected_aliases": lambda names: names or [],
}
_VERSION_SHAPES: dict[str, Callable[[Any], Any]] = {
    "tags": mapping,
    "params": mapping,
    "aliases": lambda rows: sorted(alias for (alias,) in rows or ()),
    "lineage": _lineage_record,
}
