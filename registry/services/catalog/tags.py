"""Tags of models and versions: one way to set and to remove them, within a caller's transaction."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from sqlalchemy import bindparam, delete, select
from sqlalchemy.orm import Session

from registry.db.batch import Query
from registry.db.bulk_insert import insert_rows
from registry.db.fixed_statements import FixedStatement
from registry.db.models import Model, ModelTag, Version, VersionTag
from registry.db.queries.row_sizes import Escaped
from registry.db.write_session import writing
from registry.domain import sizes, validation
from registry.domain.errors import Invalid
from registry.rules import names
from registry.rules.byte_sizes import escaped

TAGS = 100


def change_on_model(session: Session, model: Model, labels: Mapping[str, str | None]) -> None:
    """Set each tag to its value; None removes it. Raises Invalid."""
    _change(session, ModelTag, ("model_id", model.id), labels)


def change_on_version(session: Session, version: Version, labels: Mapping[str, str | None]) -> None:
    """Set each tag to its value; None removes it. Raises Invalid."""
    _change(session, VersionTag, ("version_id", version.id), labels)


def give(session: Session, new: Version, labels: Mapping[str, str]) -> None:
    """Set the tags of a version that has none yet. Raises Invalid."""
    _check_labels(labels)
    if len(labels) > TAGS:
        raise _too_many()
    sizes.require_tags(sum(escaped(text) for pair in labels.items() for text in pair))
    rows = [{"version_id": new.id, "key": key, "value": value} for key, value in labels.items()]
    insert_rows(session, VersionTag, rows)


def _change(session: Session, table: Any, owner: tuple[str, Any], labels: Mapping[str, str | None]) -> None:
    if not labels:
        return
    _check_labels(labels)
    (owned_by, owner_id) = owner
    tags = Query(_select_sizes(table, owned_by), owner=owner_id)
    writing(session).ask(tags)
    octets: dict[str, int] = dict(tags.rows)
    present = octets.keys() & labels.keys()
    for key, value in labels.items():
        octets.pop(key, None)
        if value is not None:
            octets[key] = escaped(key) + escaped(value)
    if len(octets) > TAGS:
        raise _too_many()
    sizes.require_tags(sum(octets.values()))
    if present:
        writing(session).write(
            _delete_tag(table, owned_by), *({"owner": owner_id, "name": key} for key in sorted(present))
        )
    insert_rows(
        session,
        table,
        [{owned_by: owner_id, "key": key, "value": value} for key, value in labels.items() if value is not None],
    )


@functools.cache
def _select_sizes(table: Any, owned_by: str) -> FixedStatement:
    """Return the selection of the keys of an owner's tags, each with the bytes that it takes with its value."""
    octets = Escaped(table.key) + Escaped(table.value)
    return FixedStatement(
        select(table.key, octets.label("octets")).where(getattr(table, owned_by) == bindparam("owner"))
    )


@functools.cache
def _delete_tag(table: Any, owned_by: str) -> FixedStatement:
    ours = getattr(table, owned_by) == bindparam("owner")
    return FixedStatement(delete(table.__table__).where(ours, table.key == bindparam("name")))


def _check_labels(labels: Mapping[str, str | None]) -> None:
    for key, value in labels.items():
        validation.require(names.tag_key_problem, f"tags.{key}", key)
        if value is not None and len(value) > names.TAG_VALUE_LENGTH:
            raise Invalid.field(f"tags.{key}", f"must have at most {names.TAG_VALUE_LENGTH} characters")


def _too_many() -> Invalid:
    return Invalid.field("tags", f"must be {TAGS} at most")
