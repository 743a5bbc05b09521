"""Clashes of a model's name with other names."""

from __future__ import annotations

from sqlalchemy import bindparam, or_, select
from sqlalchemy.orm import Session

from registry.db.batch import Query
from registry.db.fixed_statements import FixedStatement
from registry.db.models import Model
from registry.domain import confusables
from registry.domain.errors import AlreadyExists, Conflict
from registry.rules import names
from registry.services import audit

NAMING = "registry"  # the chain whose lock orders those who name models
_ALIKE = or_(
    Model.name_key == bindparam("key"), Model.look.in_(bindparam("looks", expanding=True)), Model.look.is_(None)
)
_RIVALS = FixedStatement(
    select(Model.id, Model.name, Model.name_key).where(Model.deleted_at.is_(None), _ALIKE).order_by(Model.name)
)


def name_taken(name: str, rival: str | None = None) -> AlreadyExists:
    """Return the refusal of a *name*; without the *rival*, where only the unique index has seen one."""
    if rival is None:
        return AlreadyExists(f"there is a model {name!r}, or one whose name differs in case or form only")
    if rival == name:
        return AlreadyExists(f"there is a model {name!r}")
    return AlreadyExists(f"there is a model {rival!r}, and {name!r} differs in case or form only: use that model")


def refuse_rivals(session: Session, name: str, *, besides: str | None = None) -> None:
    """Raise AlreadyExists when a live model other than *besides* has the name, in any case or form.

    Raises Conflict when one has a name of other scripts that looks the same.

    Naming is serialized by the lock of a chain: two names that look alike are no conflict to a unique index.
    """
    key, skeletons = names.name_key(name), confusables.looks(name)
    # Locked before the names are read: two requests could create names that look alike at the same time.
    rivals = Query(_RIVALS, key=key, looks=sorted(skeletons))
    audit.lock_chain(session, NAMING, rivals)
    clashes = [rival for rival in rivals.rows if rival.id != besides]
    if taken := next((rival for rival in clashes if rival.name_key == key), None):
        raise name_taken(name, taken.name)
    for _, other, _ in clashes:
        if confusables.look(other) in skeletons and confusables.mix_scripts(name, other):
            raise Conflict(
                f"the name {name!r} looks like that of the model {other!r} but is written with other characters: "
                f"{confusables.foreign(name + other)}. Use that model, or choose another name"
            )


def is_live(session: Session, name_key: str) -> bool:
    live = select(Model.id).where(Model.name_key == name_key, Model.deleted_at.is_(None))
    return session.scalars(live).first() is not None
