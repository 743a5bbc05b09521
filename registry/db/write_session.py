"""The session of the service: its writes wait in a batch, until the transaction ends or a statement must see them."""

from __future__ import annotations

import functools
import operator
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, cast

from flask_sqlalchemy.session import Session as FlaskSession
from sqlalchemy import Connection, bindparam, event, inspect, update
from sqlalchemy.orm import ORMExecuteState, Session, make_transient_to_detached
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.orm.util import identity_key

from registry.db import batch
from registry.db.base import Base
from registry.db.batch import BatchStep, Query
from registry.db.fixed_statements import FixedStatement

Entity = TypeVar("Entity", bound=Base)


class WriteSession(FlaskSession):
    """A session with a batch of writes.

    The changes of rows that it has loaded become updates in the batch. Every statement that SQLAlchemy executes for the
    session sends the batch before: the program's order is that of the database.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.steps: list[BatchStep] = []

    def flush(self, objects: Sequence[Any] | None = None) -> None:
        """Send what was not sent yet. Raises the database's errors."""
        if self.new or self.deleted:
            self._send()
            super().flush(objects)
        self._add_changes()
        self._send()

    def connection(self, *args: Any, **options: Any) -> Connection:
        """Return the connection of the transaction, after a flush."""
        self.flush()
        return super().connection(*args, **options)

    def write(self, statement: FixedStatement, *rows: Mapping[str, Any]) -> None:
        """Add a statement to the batch, executed once for each of *rows*, which may refer to new objects."""
        if self.new:
            self.flush()
        self.steps.append(BatchStep(statement, rows))

    def write_changes(self) -> None:
        """Add the changes of loaded rows to the batch, before what is added to it next."""
        if self.new or self.deleted:
            self.flush()
        self._add_changes()

    def ask_later(self, query: Query) -> None:
        """Add a query to the batch. It sees what was written before."""
        self.write_changes()
        self.steps.append(query.step())

    def ask(self, *queries: Query) -> None:
        """Execute the queries after what was not sent yet, in one round trip on PostgreSQL."""
        self.write_changes()
        self.steps += [query.step() for query in queries]
        self._send()

    def load(self, entity: type[Entity], query: Query, *more: Query) -> list[Entity]:
        """Execute the queries as :meth:`ask` does; return the objects of the rows of the first one."""
        self.ask(query, *more)
        return [self.adopt(entity, row) for row in query.rows]

    def finish(self, then: str | None = None) -> Any:
        """Send what was not sent yet, and commit: on PostgreSQL in one round trip. Raises the database's errors.

        Returns the value of the query *then*, as :func:`batch.send` does.
        """
        self.write_changes()
        return self._send(commit=True, then=then)

    def adopt(self, entity: type[Entity], row: Sequence[Any]) -> Entity:
        """Return the object of a row that begins with the columns of the table; the session has it as one it loaded."""
        values = dict(zip(_column_names(entity), row, strict=False))
        key = tuple(values[name] for name in _key_names(entity))
        loaded: Entity | None = self.identity_map.get(identity_key(entity, key))
        if loaded is None:
            # The constructor would set the values one by one, with an event for each.
            loaded = cast(Entity, inspect(entity).class_manager.new_instance())
            vars(loaded).update(values)
            make_transient_to_detached(loaded)
            self.add(loaded)
        else:
            for name, value in values.items():
                set_committed_value(loaded, name, value)
        return loaded

    def _send(self, *, commit: bool = False, then: str | None = None) -> Any:
        if not self.steps and not commit:
            return None
        steps, self.steps = self.steps, []
        return batch.send(super().connection(), steps, commit=commit, then=then)

    def _add_changes(self) -> None:
        # In one order, as SQLAlchemy's own flush: two transactions that change the same rows do not deadlock.
        for state in sorted([inspect(row) for row in self.dirty], key=_PLACE):
            entity, before = cast(type[Base], state.class_), state.committed_state
            if changed := tuple(
                name for name in _column_names(entity) if name in before and before[name] != state.dict[name]
            ):
                values = {name: state.dict[name] for name in changed}
                loaded = {**state.dict, **before}  # the key may be what changed
                keys = {_KEY + name: loaded[name] for name in _key_names(entity)}
                self.steps.append(BatchStep(_update(entity, changed), (values | keys,)))
            # No public call marks a row as written: a flush would, at the cost of one of an unchanged row.
            state._commit_all(state.dict, self.identity_map)


def writing(session: Session) -> WriteSession:
    """Return *session* as what every session of the service is."""
    assert isinstance(session, WriteSession)  # noqa: S101 -- see above
    return session


@event.listens_for(WriteSession, "do_orm_execute")
def _flush_first(execution: ORMExecuteState) -> None:
    execution.session.flush()


_KEY = "key_of_"
_PLACE = operator.attrgetter("class_.__tablename__", "key")  # the key has the class first, and the primary key then


@functools.cache
def _column_names(entity: type[Base]) -> Sequence[str]:
    return [column.key for column in entity.__table__.columns]


@functools.cache
def _key_names(entity: type[Base]) -> Sequence[str]:
    return [column.key for column in entity.__table__.primary_key]


@functools.cache
def _update(entity: type[Base], changed: tuple[str, ...]) -> FixedStatement:
    columns = entity.__table__.c
    ours = [columns[name] == bindparam(_KEY + name, type_=columns[name].type) for name in _key_names(entity)]
    values = {name: bindparam(name, type_=columns[name].type) for name in changed}
    return FixedStatement(update(entity.__table__).where(*ours).values(values))  # type: ignore[arg-type]  # a Table
