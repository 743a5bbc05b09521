"""One command's registry and its way of answering."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Self, TypeVar

import click

from registry.cli.support import config, output, positions, tables, version_warnings

if TYPE_CHECKING:
    from registry.client import Reference, RegistryClient
    from registry.client.http.target import RegistryTarget

Item = TypeVar("Item")


class Session:
    """Connects when first used; prints either JSON or text."""

    def __init__(
        self, *, url: str | None, token: str | None, insecure: bool, as_json: bool, ca_file: str | None = None
    ) -> None:
        self._url, self._token, self._insecure, self._ca_file = url, token, insecure, ca_file
        self.as_json = as_json
        self.shown: Any = None  # what the command has printed
        self._client: RegistryClient | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._client:
            if self._client.database_position:
                positions.save(self._client.url, self._client.database_position)
            self._client.close()

    @property
    def target(self) -> RegistryTarget:
        """The registry that flags, environment and files point at."""
        return config.resolve(
            url=self._url,
            token=self._token,
            insecure=self._insecure,
            environ=os.environ,
            cwd=config.working_directory(),
            home=config.user_directory(),
            ca_file=self._ca_file,
        )

    @property
    def registry(self) -> RegistryClient:
        """The client."""
        if self._client is None:
            target = self.target
            if sys.stderr.isatty() and not self.as_json:
                output.note(f"registry {target.url} ({target.source})")
            self._client = client(target, as_json=self.as_json)
            if position := positions.load(self._client.url):
                self._client.read_after(position)
        return self._client

    @property
    def has_pages(self) -> bool:
        """Return whether the registry has announced pages in an answer to this command."""
        return self._client is not None and self._client.has_pages

    def number(self, reference: Reference) -> int:
        """Return the version of *reference*. Raises UsageError for a bare model: changes must name the version."""
        if reference.bare:
            name = reference.model
            raise click.UsageError(f"Name a version: {name}:1, {name}@alias or {name}#production.")
        return self.registry.number(reference)

    def show(self, value: Any, text: Callable[[], None]) -> None:
        """Print *value* as JSON, or call *text* to print it for people; warn of a held version in it, for example."""
        self.shown = value
        for warning in version_warnings.warnings(value):
            self.warn(warning)
        if self.as_json:
            output.document(value)
        else:
            text()

    def warn(self, text: str) -> None:
        """Write a warning to stderr: as text, or as one JSON document a line."""
        _warn(text, as_json=self.as_json)

    def fields(self, line: Sequence[str], named: Sequence[str]) -> Sequence[str] | None:
        """Return the fields that a list is read with: those of a *line*; as JSON those *named*, or all (None).

        Raises UsageError for *named* fields without --json.
        """
        if self.as_json:
            return named or None
        if named:
            raise click.UsageError("--fields chooses the fields of --json; add it.")
        return line

    def list(
        self,
        items: Iterable[Item],
        columns: Sequence[tables.Column],
        row: Callable[[Item], Sequence[object]],
        *,
        empty: str,
        limit: int = 0,
    ) -> None:
        """Print at most *limit* items (0: all), or *empty* to stderr; report when there are more."""
        iterator = iter(items)
        listed_items = list(islice(iterator, limit)) if limit else list(iterator)
        more = limit > 0 and next(iterator, None) is not None
        if self.as_json:
            output.document({"items": listed_items, "more": more})
            return
        tables.table(columns, [row(item) for item in listed_items], empty=empty)
        if more:
            output.note(f"There are more than {limit}. Show them: --limit 0")


def _warn(text: str, *, as_json: bool) -> None:
    if as_json:
        click.echo(output.encoded({"warning": {"detail": text}}), err=True)
    else:
        output.note(f"warning: {text}")


class _Warnings(logging.Handler):
    """Writes the client's warnings to stderr, as ``Session.warn`` does."""

    as_json = False

    def emit(self, record: logging.LogRecord) -> None:
        _warn(record.getMessage(), as_json=self.as_json)


_WARNINGS = _Warnings(logging.WARNING)


def client(target: RegistryTarget, *, as_json: bool = False) -> RegistryClient:
    """Return a client for *target*, whose warnings go to stderr, as does the news that it waits for the registry."""
    from registry.client import RegistryClient
    from registry.client.http import retry, token_expiry

    _WARNINGS.as_json = as_json
    token_expiry.log.addHandler(_WARNINGS)

    try:
        seconds = retry.seconds(os.environ)
    except ValueError as error:
        raise click.UsageError(str(error)) from error

    def say(text: str) -> None:
        click.echo(output.encoded({"waiting": {"detail": text}}), err=True) if as_json else output.note(text)

    return RegistryClient(
        target.url,
        target.token,
        insecure=target.insecure,
        retry_seconds=seconds,
        on_retry=say,
        ca_file=target.ca_file,
    )
