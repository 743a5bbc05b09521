"""What commands on the server's machine share. The server's packages are imported here, when used, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from registry.cli.exits import exit_code

if TYPE_CHECKING:
    from flask import Flask

    from registry.config import Settings
    from registry.services.audit import ChainReport

Command = TypeVar("Command", bound=Callable[..., Any])


def settings(function: Command) -> Command:
    """--dev and --data-dir, which go to ``load`` as they are."""
    dev = click.option("--dev", is_flag=True, help="No login, this machine only.")
    data_dir = click.option(
        "--data-dir", metavar="DIR", help="Database and files of the embedded default. [default: registry-data]"
    )
    return dev(data_dir(function))


@contextmanager
def installed() -> Iterator[None]:
    """Turn a missing server package into a sentence."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("registry"):
            raise
        raise click.ClickException(
            f"The server is not installed here ({error.name} is missing): pip install 'model-registry[server]'"
        ) from error


def load(**overrides: Any) -> Settings:
    """The settings, from REGISTRY_* and *overrides*. Raises UsageError with every mistake."""
    with installed():
        from registry.config import Settings, SettingsError
    try:
        return Settings.load(**overrides)
    except SettingsError as error:
        raise click.UsageError(f"These settings cannot be used:\n{error}") from error


@contextmanager
def application(**overrides: Any) -> Iterator[Flask]:
    """The service without its HTTP server, inside its application context."""
    with installed():
        from registry.app import create_app
    with refusals():
        app = create_app(load(**overrides))
        with app.app_context():
            yield app


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


def verify_audit(**overrides: Any) -> Iterator[ChainReport]:
    """One report per chain of the audit log."""
    with application(**overrides):
        from registry.services import audit

        yield from audit.verify()
