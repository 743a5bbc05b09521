"""Tags of models and versions: one way to set and to remove them, within a caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from registry.db.bulk_insert import insert_rows
from registry.db.models import Model, ModelTag, Version, VersionTag
from registry.db.queries.row_sizes import Escaped
from registry.domain import sizes, validation
from registry.domain.errors import Invalid
from registry.rules import names
from registry.rules.byte_sizes import escaped

TAGS = 100


def change_on_model(session: Session, model: Model, labels: Mapping[str, str | None]) -> None:
    """Set each tag to its value; None removes it. Raises Invalid."""
    _change(session, ModelTag, {"model_id": model.id}, labels)


def change_on_version(session: Session, version: Version, labels: Mapping[str, str | None]) -> None:
    """Set each tag to its value; None removes it. Raises Invalid."""
    _change(session, VersionTag, {"version_id": version.id}, labels)


def give(session: Session, new: Version, labels: Mapping[str, str]) -> None:
    """Set the tags of a version that has none yet. Raises Invalid."""
    _check_labels(labels)
    if len(labels) > TAGS:
        raise _too_many()
    sizes.require_tags(sum(escaped(text) for pair in labels.items() for text in pair))
    rows = [{"version_id": new.id, "key": key, "value": value} for key, value in labels.items()]
    insert_rows(session, VersionTag, rows)


def _change(session: Session, table: Any, owner: Mapping[str, Any], labels: Mapping[str, str | None]) -> None:
    if not labels:
        return
    _check_labels(labels)
    ours = [getattr(table, column) == value for column, value in owner.items()]
    session.execute(delete(table).where(*ours, table.key.in_(list(labels))))
    session.add_all(table(**owner, key=key, value=value) for key, value in labels.items() if value is not None)
    session.flush()  # so that the count below includes them
    octets = func.coalesce(func.sum(Escaped(table.key) + Escaped(table.value)), 0)
    count, total = session.execute(select(func.count(), octets).select_from(table).where(*ours)).one()
    if count > TAGS:
        raise _too_many()
    sizes.require_tags(total)


def _check_labels(labels: Mapping[str, str | None]) -> None:
    for key, value in labels.items():
        validation.require(names.tag_key_problem, f"tags.{key}", key)
        if value is not None and len(value) > names.TAG_VALUE_LENGTH:
            raise Invalid.field(f"tags.{key}", f"must have at most {names.TAG_VALUE_LENGTH} characters")


def _too_many() -> Invalid:
    return Invalid.field("tags", f"must be {TAGS} at most")
