"""Read models and versions as MLflow's protocol shows them: what is deleted is not there."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from registry.db.batch import Answer, Query
from registry.db.fixed_statements import FixedStatement
from registry.db.models import AliasTenure, Model, Version
from registry.db.queries import catalog, mlflow_entities
from registry.db.records import ModelBrief, VersionBrief
from registry.db.session import look_up, reading
from registry.db.write_session import writing
from registry.domain.errors import NotFound
from registry.domain.stages import Stage
from registry.rules import names

_LIVE_MODEL = FixedStatement(mlflow_entities.select_live_models().where(Model.name == bindparam("name")))
_MODEL_BY_ID = FixedStatement(mlflow_entities.select_live_models().where(Model.id == bindparam("id")))
_LIVE_VERSION = FixedStatement(
    mlflow_entities.select_live_versions().where(Model.name == bindparam("name"), Version.number == bindparam("number"))
)
_ALIASED = FixedStatement(
    mlflow_entities.select_live_versions()
    .join(AliasTenure, AliasTenure.version_id == Version.id)
    .where(AliasTenure.model_id == catalog.live_id(bindparam("name")))  # not by way of all of the model's versions
    .where(AliasTenure.alias == bindparam("alias"), AliasTenure.ended_at.is_(None))
)


@functools.cache
def _newest_in(*stages: Stage) -> FixedStatement:
    return FixedStatement(mlflow_entities.select_latest(*stages))


def model(name: str) -> ModelBrief:
    """Return the live model of that name. Raises NotFound."""
    briefs = mlflow_entities.model_briefs(look_up(_LIVE_MODEL, name=name))
    if not briefs:
        raise _no_model(name)
    return briefs[0]


def of(session: Session, model_row: Model) -> Answer[ModelBrief]:
    """Return the brief of a model as the caller's transaction leaves it: it is read with the commit."""
    query = Query(_MODEL_BY_ID, id=model_row.id)
    writing(session).ask_later(query)
    return Answer(lambda: mlflow_entities.model_briefs(query.rows)[0])


def twin_of(name: str) -> str | None:
    """Return the live model whose name differs from *name* in case or form only; None without one."""
    with reading() as session:
        alike = select(Model.name).where(Model.name_key == names.name_key(name), Model.deleted_at.is_(None))
        return session.scalars(alike.where(Model.name != name)).first()


def version(name: str, number: int) -> VersionBrief:
    """Return the live version of that number. Raises NotFound."""
    briefs = mlflow_entities.version_briefs(look_up(_LIVE_VERSION, name=name, number=number))
    if not briefs:
        raise NotFound(f"the model {name!r} has no version {number}")
    return briefs[0]


def aliased(name: str, alias: str) -> VersionBrief | None:
    """Return the version that the alias points at; None without such an alias. Raises NotFound for the model."""
    briefs = mlflow_entities.version_briefs(look_up(_ALIASED, name=name, alias=alias))
    if not briefs:
        with reading() as session:
            _live_id(session, name)
    return briefs[0] if briefs else None


def latest(name: str, stages: Iterable[Stage]) -> Sequence[VersionBrief]:
    """Return the newest version in each of the stages. Raises NotFound for the model.

    Of the versions in a stage, it is the one with the highest number that can be loaded: it is neither pending nor
    failed. Where none can be, it is the one with the highest number.
    """
    asked = sorted(set(stages))
    briefs = mlflow_entities.version_briefs(look_up(_newest_in(*asked), name=name)) if asked else []
    if not briefs:
        with reading() as session:
            _live_id(session, name)
    return briefs


def _live_id(session: Session, name: str) -> str:
    if model_id := session.scalar(select(Model.id).where(Model.name == name, Model.deleted_at.is_(None))):
        return model_id
    raise _no_model(name)


def _no_model(name: str) -> NotFound:
    return NotFound(f"there is no model {name!r}")
