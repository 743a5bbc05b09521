"""Whether this process can do its work: database, schema, store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import text

from registry.db import migrate
from registry.db.session import reading
from registry.domain.errors import RegistryError
from registry.storage.checked import Store


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; ``detail`` says what is wrong and what to do."""

    ok: bool
    detail: str


def readiness(store: Store) -> dict[str, Check]:
    """Look at everything a request may need."""
    return {
        "database": _check(_database),
        "migrations": _check(_migrations),
        "storage": _check(lambda: _storage(store)),
    }


def _check(look: Callable[[], str | None]) -> Check:
    try:
        problem = look()
    except RegistryError as error:
        return Check(False, error.detail)
    return Check(problem is None, problem or "ok")


def _database() -> str | None:
    with reading() as session:
        session.execute(text("SELECT 1"))
    return None


def _migrations() -> str | None:
    with reading() as session:
        found = migrate.revision_over(session.connection())
    needed = migrate.head()
    return None if found == needed else f"at {found or 'no revision'}, needs {needed}: run registry db upgrade"


def _storage(store: Store) -> str | None:
    store.check()
    return None
