"""Ownership of paths in the artifact area: an account keeps the path of its file until it registers a version of it.

Without that, another writer could put other bytes between an account's upload and its registration. An actor with the
permission ``artifact:override`` may replace and delete any file. Registering the files of another account is allowed,
and leaves them that account's.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import ColumnElement, and_, case, false, func, or_, select, update
from sqlalchemy.orm import Session

from registry.db.models import Account, Artifact, Version, VersionFile
from registry.db.queries import paths
from registry.domain import artifact_area
from registry.domain.access import Actor, Permission
from registry.domain.errors import Conflict, Forbidden


def foreign(actor: Actor) -> ColumnElement[bool]:
    """Select each ``Artifact`` that is another account's, is unregistered, and that *actor* may not replace."""
    if Permission.ARTIFACT_OVERRIDE in actor.permissions:
        return false()
    return and_(Artifact.created_by != actor.id, _unregistered())


def _unregistered() -> ColumnElement[bool]:
    """Select each ``Artifact`` that was not registered since it was written: an earlier release leaves the time."""
    return or_(Artifact.registered_at.is_(None), Artifact.registered_at < Artifact.created_at)


def require_free(session: Session, path: str, *, actor: Actor) -> None:
    """Raise Forbidden when the file at *path*, or one that is registered together with it, belongs to another account.

    Those are the files of the same MLflow logged model, or of the same folder of an MLflow run.
    """
    condition = Artifact.path == path
    if logged_model := artifact_area.logged_model(path):
        condition |= Artifact.logged_model == logged_model
    elif folder := artifact_area.run_folder(path):
        condition |= and_(*paths.within(folder))
    statement = select(Artifact.path).where(condition, foreign(actor)).order_by(Artifact.path != path, Artifact.path)
    if (owner := session.scalars(statement.limit(1)).first()) is not None:
        refuse(session, owner)


def refuse(session: Session, path: str) -> None:
    """Raise Forbidden, naming the account that the file at *path* belongs to."""
    of_path = select(Account.name).join(Artifact, Artifact.created_by == Account.id).where(Artifact.path == path)
    owner = session.scalars(of_path).first()
    raise Forbidden(
        f"{path!r} belongs to {owner or 'another account'}, who wrote it and has not registered a version of it yet; "
        "write to another path, or have its owner or an admin change it",
        permission=Permission.ARTIFACT_OVERRIDE,
    )


def require_one(session: Session, owners: Iterable[str], path: str) -> None:
    """Raise Conflict unless the files at *path* are of one account: one could add a file to another's model."""
    owner_ids = set(owners)
    if len(owner_ids) <= 1:
        return
    names = sorted(session.scalars(select(Account.name).where(Account.id.in_(owner_ids))))
    raise Conflict(
        f"the files at {path!r} were written by several accounts ({', '.join(names[:5])}); no version is made of them. "
        "Write all of them with one account, or delete those that do not belong there"
    )


def release(session: Session, version: Version, directory: str, *, actor: Actor, at: datetime) -> None:
    """Free the paths of *actor* whose files *version* holds, taken from *directory*: other accounts may write them.

    A file that was written again since is not the version's, and stays its owner's.
    """
    name = case(
        (Artifact.path == directory, directory.rpartition("/")[2]),
        else_=func.substr(Artifact.path, len(directory) + 2),
    )
    selection = select(VersionFile.path).where(
        VersionFile.version_id == version.id, VersionFile.path == name, VersionFile.sha256 == Artifact.sha256
    )
    statement = update(Artifact).where(
        *paths.within(directory),
        Artifact.created_by == actor.id,
        _unregistered(),
        selection.correlate(Artifact).exists(),
    )
    session.execute(statement.values(registered_at=at), execution_options={"synchronize_session": False})
