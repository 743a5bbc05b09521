"""Support for commands on the server's machine. The server's packages are imported only here, and only on use."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from registry.cli.support.exit_codes import exit_code

if TYPE_CHECKING:
    from flask import Flask

    from registry.config import Settings
    from registry.db.records import JobRecord
    from registry.services.audit import ChainReport, FoundText, Redaction
    from registry.services.integrity.store_ownership import Adoption
    from registry.services.maintenance.fsck import Finding
    from registry.services.maintenance.garbage_collection import Waste
    from registry.services.maintenance.restoration import Epoch
    from registry.services.monitoring.checks import Check
    from registry.services.sealed_log.epochs import LogEpoch

JOBS = 200
Command = TypeVar("Command", bound=Callable[..., Any])


def settings(function: Command) -> Command:
    """Add --dev and --data-dir, which are passed to ``load`` unchanged."""
    dev = click.option("--dev", is_flag=True, help="No login, this machine only.")
    data_dir = click.option(
        "--data-dir", metavar="DIR", help="Database and files of the embedded default. [default: registry-data]"
    )
    return dev(data_dir(function))


@contextmanager
def installed() -> Iterator[None]:
    """Turn a missing server package into a sentence, and import without searches for garbage.

    There is none yet: the searches take a third of the time that the imports take.
    """
    gc.disable()
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("registry"):
            raise
        raise click.ClickException(
            f"The server is not installed here ({error.name} is missing): in a checkout, pip install '.[server]'"
        ) from error
    finally:
        gc.enable()


def load(**overrides: Any) -> Settings:
    """Return the settings, from REGISTRY_* and *overrides*. Raises UsageError with every mistake."""
    with installed():
        from registry.config import Settings, SettingsError
    try:
        return Settings.load(**overrides)
    except SettingsError as error:
        raise click.UsageError(f"These settings cannot be used:\n{error}") from error


@contextmanager
def application(*, unproved: bool = False, **overrides: Any) -> Iterator[Flask]:
    """Provide the service without its HTTP server, inside its application context; its log goes to stderr.

    Refuses a missing registry, a schema that this release does not work with, and another secret key than
    the database's. With *unproved* schema and key are left to the caller.
    """
    with installed():
        from registry.app import create_app
        from registry.db import schema
        from registry.db.session import db, engines_of
        from registry.services.maintenance import secret_keys
        from registry.telemetry import logs
    with refusals():
        loaded = load(create=False, **overrides)
        logs.configure(loaded.log_format, loaded.log_level, secrets=loaded.secrets())
        if not unproved:
            schema.require_working(loaded.database_url.reveal())
        app = create_app(loaded)
        with app.app_context():
            try:
                if not unproved:
                    secret_keys.require()
                yield app
            finally:
                db.session.remove()
                for engine in engines_of(app):
                    engine.dispose()


class _Refused(click.ClickException):
    """A refusal of the service, with the exit code of its kind."""

    def __init__(self, detail: str, code: int) -> None:
        super().__init__(detail)
        self.exit_code = code  # type: ignore[misc]  # click declares it for the class and reads it from the instance


@contextmanager
def refusals() -> Iterator[None]:
    """Show the service's own refusals as sentences."""
    from registry.domain.errors import RegistryError

    try:
        yield
    except RegistryError as error:
        raise _Refused(error.detail, exit_code(error.code, None)) from error


def verify_audit(*, model: str | None = None, **overrides: Any) -> Iterator[ChainReport]:
    """Yield one report per chain of the audit log."""
    with application(**overrides):
        from registry.services import audit

        yield from audit.verify(model=model)


def record_baselines(*, accept_unsealed: bool, **overrides: Any) -> Iterator[ChainReport]:
    """Record baselines and return the report of each chain that got one."""
    with application(**overrides):
        from registry.services import audit

        yield from audit.record_baseline(accept_unsealed=accept_unsealed)


def checkpoint(**overrides: Any) -> None:
    """Record the heads of all chains."""
    with application(**overrides):
        from registry.services import audit

        while audit.checkpoint():
            pass


def find_text(text: str, **overrides: Any) -> Iterator[FoundText]:
    """Yield each place that holds a text."""
    with application(**overrides):
        from registry.services import audit

        yield from audit.find_text(text)


def redact(*, entry: str, field: str, keys: Sequence[str], reason: str, **overrides: Any) -> Redaction:
    """Erase a text of an entry."""
    with application(**overrides):
        from registry.services import audit

        return audit.erase_text(entry, field, reason=reason, keys=keys)


def erase_account(name: str, *, reason: str, **overrides: Any) -> str:
    """Erase the name of an account; returns what stands in its place."""
    with application(**overrides):
        from registry.services import audit

        return audit.erase_account(name, reason=reason)


def collect(*, dry_run: bool, unseen: Callable[[str], None], **overrides: Any) -> list[Waste]:
    """Return what the collector deleted; *unseen* is called with why the store was not listed."""
    with application(**overrides) as app:
        from registry.http.context import EXTENSION
        from registry.services.maintenance import garbage_collection

        adapters = app.extensions[EXTENSION]
        grace = timedelta(seconds=adapters.settings.gc_grace)
        return list(garbage_collection.collect(store=adapters.store, grace=grace, dry_run=dry_run, unseen=unseen))


def open_jobs(*, state: str | None, **overrides: Any) -> list[JobRecord]:
    """Background jobs that are not done."""
    with application(**overrides):
        from registry.services import background_jobs

        jobs: list[JobRecord] = []
        page = background_jobs.list_(state=state, limit=JOBS)
        while True:
            jobs += page.items
            if page.next_after is None:
                return jobs
            page = background_jobs.list_(state=state, after=page.next_after, limit=JOBS)


def retry_job(job_id: str, **overrides: Any) -> JobRecord:
    """Return a parked job to the workers; return the job."""
    with application(**overrides):
        from registry.domain.access import SYSTEM
        from registry.services import background_jobs

        return background_jobs.retry(job_id, actor=SYSTEM)


def discard_formats(digests: Sequence[str], **overrides: Any) -> Sequence[str]:
    """Discard the formats of files so that workers read them again; return the digests of these files."""
    chosen = {name: overrides.pop(name) for name in ("unreadable", "unsealed", "reason")}
    with application(**overrides):
        from registry.domain.access import SYSTEM
        from registry.services.integrity import format_rereads

        return format_rereads.discard(digests, actor=SYSTEM, **chosen)


def check_store(*, deep: bool, mark: bool, **overrides: Any) -> list[Finding]:
    """Return the differences between database and store."""
    with application(**overrides) as app:
        from registry.http.context import EXTENSION
        from registry.services.maintenance import fsck

        return list(fsck.check(store=app.extensions[EXTENSION].store, deep=deep, mark=mark))


def adopt_store(*, dry_run: bool, **overrides: Any) -> Adoption:
    """Adopt the store unless *dry_run*, and return what that means."""
    with application(**overrides) as app:
        from registry.http.context import EXTENSION
        from registry.services.integrity import store_ownership

        return store_ownership.adopt(app.extensions[EXTENSION].store, dry_run=dry_run)


def begin_epoch(*, keep_tokens: bool, skip: int, **overrides: Any) -> Epoch:
    """Begin an epoch and return it. Unless tokens are kept, print a bootstrap token."""
    with application(**overrides) as app:
        from registry.serve import offer_bootstrap
        from registry.services.maintenance import restoration

        epoch = restoration.begin_epoch(keep_tokens=keep_tokens, skip=skip)
        if not restoration.has_tokens():
            offer_bootstrap(app, force=True)
        return epoch


def begin_log_epoch(reason: str, **overrides: Any) -> LogEpoch:
    """Begin an epoch of the sealed log, in a store that belongs to this registry."""
    with application(**overrides) as app:
        from registry.http.context import EXTENSION
        from registry.services import sealed_log
        from registry.services.integrity import store_ownership

        adapters = app.extensions[EXTENSION]
        store_ownership.confirm(adapters.store)  # before the database is changed
        return sealed_log.epochs.begin(reason, signer=adapters.signer, pin=adapters.pin)


def log_keys(**overrides: Any) -> list[str]:
    """Return the keys with which auditors verify checkpoints, one a line."""
    with application(**overrides) as app:
        from registry.http.context import EXTENSION
        from registry.services import sealed_log

        return [str(key) for key in sealed_log.epochs.verifier_keys(app.extensions[EXTENSION].signer)]


def replace_key(reason: str, **overrides: Any) -> str:
    """Accept the secret key of these settings in place of a lost one; return its fingerprint."""
    with application(unproved=True, **overrides):
        from registry.services.maintenance import secret_keys

        return secret_keys.replace(reason)


def examine(**overrides: Any) -> Mapping[str, Check]:
    """Return the results of all checks by name."""
    with application(unproved=True, **overrides) as app:
        from registry.http.context import EXTENSION
        from registry.services.monitoring import diagnosis

        adapters = app.extensions[EXTENSION]
        settings = adapters.settings
        url = settings.database_url.reveal()
        return diagnosis.examine(
            adapters.store,
            adapters.pin,
            adapters.upstreams,
            pool_size=settings.database_pool_size,
            processes=settings.workers,
            path=Path(url.removeprefix("sqlite:///")) if settings.uses_sqlite else None,
            own="registry serve, or registry worker" if settings.uses_sqlite else "registry worker",
            protected=settings.protected_aliases,
            seconds=settings.probe_seconds,
        )
