"""A registry that may fetch from somewhere, and the worker's part of it, done when a test says so."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from flask import Flask
from sqlalchemy import select, update

from registry import worker
from registry.db.models import Account, Blob, Import
from registry.db.records import VersionRecord
from registry.db.session import reading, transaction
from registry.domain.access import Actor, ActorKind
from registry.domain.import_documents import registration_of
from registry.domain.registrations import Origin, Registration
from registry.http.context import EXTENSION, Adapters
from registry.services.audit import row_seals
from registry.services.catalog import registration
from registry.services.imports import import_jobs, upstream
from registry.services.imports.import_jobs import Make
from registry.services.imports.inline import Places
from registry.services.integrity.damage import CORRUPT
from tests.support.api import Api
from tests.support.registry_builder import in_process
from tests.support.replies import expect

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def some_bytes(size: int = 3_000_000) -> bytes:
    return uuid.uuid4().bytes * (size // 16)


class Importer:
    """``api`` may do everything; ``given`` arranges through it."""

    def __init__(self, app: Flask, tokens: Mapping[str, str]) -> None:
        self.app, self.tokens = app, tokens
        self.api = self.as_role("all")
        self.registry = in_process(self.api)

    def as_role(self, role: str) -> Api:
        """A client with one role."""
        return Api(self.app.test_client(), self.tokens[role])

    def ask(self, source: str, model: str = "fraud", **facts: Any) -> Any:
        """Ask for an import; how it stands."""
        return expect(202, self.api.post(f"/models/{model}/imports", {"source": source, **facts}))

    def work(self, make: Make = registration_of) -> bool:
        """One import, as a worker does it; false when none waits."""
        with self.app.app_context():
            adapters = self._adapters
            return import_jobs.run_next(
                store=adapters.store,
                sources=adapters.sources,
                make=make,
                kinds=worker.kinds_of(adapters),
                protected=adapters.settings.protected_aliases,
                allow_secrets=adapters.settings.allow_secrets,
            )

    def wait_for_clients(self, places: int = 8, *, seconds: float = 60.0) -> None:
        """Let so many requests wait for what they register, for longer than a loaded machine takes."""
        self.app.extensions[EXTENSION] = replace(self._adapters, places=Places(places, seconds=seconds))

    def reserve(
        self, source: str, *, model: str = "fraud", run_id: str | None = None, logged_model: str | None = None
    ) -> VersionRecord:
        """Reserve a number for what MLflow's clients say is at *source*, as their registration does."""
        origin = Origin(source=source, run_id=run_id, logged_model=logged_model)
        with self.app.app_context():
            adapters = self._adapters
            facts = upstream.facts_of(
                source, run_id=run_id, logged_model=logged_model, upstreams=adapters.upstreams, sources=adapters.sources
            )
            assert facts is not None
            return registration.reserve(model, Registration(files=(), origin=origin), actor=self.actor, fetch=facts)

    def version(self, number: int, model: str = "fraud") -> Any:
        """A version as it stands now."""
        return expect(200, self.api.get(f"/models/{model}/versions/{number}"))

    def filled(self, source: str, **said: Any) -> Any:
        """Reserve a version and do what a worker does; the version as it stands then."""
        number = self.reserve(source, **said).number
        assert self.work()
        return self.version(number)

    def reason(self) -> str | None:
        """What is in the way of the import that is open."""
        with self.app.app_context(), reading() as session:
            return session.scalars(select(Import.reason).where(Import.state.in_(import_jobs.OPEN))).one()

    @property
    def actor(self) -> Actor:
        """The account of ``api``."""
        with self.app.app_context(), reading() as session:
            account = session.scalars(select(Account).where(Account.name == "all")).one()
            return Actor(account.id, account.name, ActorKind(account.kind))

    def end_leases(self) -> None:
        """Let as much time pass as a hold on an import lasts."""
        self.change(leased_until=LONG_AGO)

    def change(self, **values: Any) -> None:
        """Change every import behind the registry's back."""
        with self.app.app_context(), transaction() as session:
            session.execute(update(Import).values(**values))

    def keep(self, facts: Mapping[str, Any]) -> None:
        """Replace what the only import asks for, as a release does it that writes other requests."""
        with self.app.app_context(), transaction() as session:
            row = session.scalars(select(Import)).one()
            row.facts = dict(facts)
            row_seals.seal_import(row)

    def damage(self, sha256: str) -> None:
        """Let the scrubber have found that these bytes are not what they were."""
        with self.app.app_context(), transaction() as session:
            session.execute(update(Blob).where(Blob.sha256 == sha256).values(damage=CORRUPT))

    def now(self, asked: Mapping[str, Any]) -> Any:
        """How an import stands now."""
        return expect(200, self.api.get(f"/imports/{asked['id']}"))

    def done(self, source: str, **facts: Any) -> Any:
        """Ask for an import and do it; how it stands then."""
        asked = self.ask(source, **facts)
        assert self.work()
        return self.now(asked)

    def files(self, number: int, model: str = "fraud") -> dict[str, bytes]:
        """A version's files by path, with the bytes that the store has of them."""
        items = expect(200, self.api.get(f"/models/{model}/versions/{number}/files"))["items"]
        with self.app.app_context(), reading() as session:
            keys = dict(session.execute(select(Blob.sha256, Blob.key)).all())
        store = self._adapters.store
        return {item["path"]: b"".join(store.read(keys[item["sha256"]])) for item in items}

    @property
    def _adapters(self) -> Adapters:
        adapters: Adapters = self.app.extensions[EXTENSION]
        return adapters
