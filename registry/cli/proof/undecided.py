"""Failures that decide nothing: exit code 2, because 1 means that the log was tampered with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from registry.cli.support.exit_codes import Exit, exit_code
from registry.client.errors import RegistryError


class Undecided(click.ClickException):
    """The log could not be verified."""

    exit_code = Exit.USAGE


@contextmanager
def undecided() -> Iterator[None]:
    """Turn a file that cannot be used, and a failure without an exit code of its kind, into Undecided."""
    try:
        yield
    except OSError as error:
        raise Undecided(f"{error.filename or 'a file'}: {error.strerror or error}") from error
    except RegistryError as error:
        if exit_code(error.code, error.status) is Exit.ERROR:
            raise Undecided(error.detail) from error
        raise
