"""Read models and versions as MLflow's protocol shows them: what is deleted is not there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.db.models import AliasTenure, Model, Version
from registry.db.queries import briefs
from registry.db.records import ModelBrief, VersionBrief
from registry.db.session import reading
from registry.domain import names
from registry.domain.errors import NotFound
from registry.domain.stages import Stage


def model(name: str) -> ModelBrief:
    """The live model of that name. Raises NotFound."""
    with reading() as session:
        return briefs.model_briefs(session, [_live(session, name)])[0]


def of(session: Session, held: Model) -> ModelBrief:
    """The brief of a model that the caller's transaction holds."""
    return briefs.model_briefs(session, [held])[0]


def twin_of(name: str) -> str | None:
    """The live model whose name differs from *name* in case or form only; None without one."""
    with reading() as session:
        alike = select(Model.name).where(Model.name_key == names.name_key(name), Model.deleted_at.is_(None))
        return session.scalars(alike.where(Model.name != name)).first()


def version(name: str, number: int) -> VersionBrief:
    """The live version of that number. Raises NotFound."""
    with reading() as session:
        statement = briefs.select_live().where(Model.name == name, Version.number == number)
        found = briefs.version_briefs(session, session.execute(statement).all())
    if not found:
        raise NotFound(f"the model {name!r} has no version {number}")
    return found[0]


def aliased(name: str, alias: str) -> VersionBrief | None:
    """The version that the alias points at; None without such an alias. Raises NotFound for the model."""
    with reading() as session:
        held = _live(session, name)
        statement = briefs.select_live().join(AliasTenure, AliasTenure.version_id == Version.id)
        statement = statement.where(
            AliasTenure.model_id == held.id, AliasTenure.alias == alias, AliasTenure.ended_at.is_(None)
        )
        return next(iter(briefs.version_briefs(session, session.execute(statement).all())), None)


def latest(name: str, stages: Iterable[Stage]) -> Sequence[VersionBrief]:
    """The version with the highest number in each of the stages. Raises NotFound for the model."""
    with reading() as session:
        return briefs.latest_versions(session, [_live(session, name).id], stages)


def _live(session: Session, name: str) -> Model:
    statement = select(Model).where(Model.name == name, Model.deleted_at.is_(None))
    if found := session.scalars(statement).first():
        return found
    raise NotFound(f"there is no model {name!r}")
