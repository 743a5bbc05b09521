"""``registry audit find-text`` and ``redact``: personal data in the texts of the audit log, on the server's machine."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from registry.cli.support import output, server, tables
from registry.cli.support.cells import Moment, Whole

if TYPE_CHECKING:
    from registry.services.audit import FoundText

COLUMNS = (("time", "where"), ("of", "field"), "text", "remedy")


@click.command("find-text")
@click.argument("text")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
@server.settings
def find_text(text: str, as_json: bool, **overrides: Any) -> None:
    """Find TEXT, a name or an address, wherever the registry keeps it; in any case.

    Searches descriptions, tags, reasons and all other texts of the audit log, also those that were edited since, and
    accounts, tokens, names, aliases, params, metrics, signatures, lineage, paths, imports, addresses, hashed bytes
    and kept replies. Each line has the remedy. Stored files are not read.

    \b
    Example:
      registry audit find-text alice@corp.example
      registry audit find-text Alice --json
    """
    if not text.strip():
        raise click.UsageError("TEXT must not be empty.")
    matches = list(server.find_text(text, **overrides))
    if as_json:
        items = [{name: _json_value(getattr(one, name)) for name in one.__slots__} for one in matches]
        output.document({"items": items})
        return
    tables.table(COLUMNS, map(_text_row, matches), empty="no text that the registry keeps contains this")


@click.command()
@click.argument("entry")
@click.option("--field", metavar="NAME", required=True, help="The name of the text: description, tags, reason, …")
@click.option(
    "--tag", "tags", metavar="KEY", multiple=True, help="With --field tags: remove only this one; repeatable."
)
@click.option("--reason", required=True, metavar="TEXT", help="The reason, recorded in the audit log.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
@server.settings
def redact(entry: str, field: str, tags: tuple[str, ...], reason: str, as_json: bool, **overrides: Any) -> None:
    """Delete a text of the audit entry ENTRY, and keep the proof that it was there.

    A description or a tag that the text set and that is still shown goes with it. The log records the redaction.
    Hashes and links stay valid, and registry audit verify counts redacted texts. It cannot be undone.

    On PostgreSQL use the URL of the tables' owner: the service itself may not redact. Copies elsewhere (backups,
    exports, kept replies of the last seven days) are not touched. For an account's name: registry admin erase.

    \b
    Example:
      registry audit redact 6f1c… --field description --reason "request 41"
      registry audit redact 6f1c… --field tags --tag contact --reason "request 41"
    """
    done = server.redact(entry=entry, field=field, keys=tags, reason=reason, **overrides)
    if as_json:
        output.document({name: getattr(done, name) for name in done.__slots__})
        return
    removed = [*done.cleared, *(f"tag {key}" for key in done.tags)]
    also = f"; removed from {done.subject}: {', '.join(removed)}" if removed else ""
    output.line(f"Redacted the text {done.text!r} of {done.entry}{also}.")


def _text_row(match: FoundText) -> list[object]:
    at = Moment(match.at.isoformat()) if match.at else ""
    return [at, Whole(match.place), match.subject or "", Whole(match.field), match.excerpt, Whole(match.remedy)]


def _json_value(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
