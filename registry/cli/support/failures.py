"""An exception as a message and an exit code. Expected trouble never shows a traceback."""

from __future__ import annotations

import io
import os
import traceback
from collections.abc import Mapping
from typing import Any

import click

from registry.cli.support import gate_lines
from registry.cli.support.exit_codes import Exit, exit_code
from registry.cli.support.output import clean, encoded, lines
from registry.telemetry.scrubbing import scrub


def report(error: Exception, *, as_json: bool, debug: bool) -> int:
    """Write the error to stderr and return the exit code; with *debug* also the traceback.

    A traceback names files, lines and functions. It contains neither values of variables nor credentials.
    """
    if debug:
        for line in scrub("".join(traceback.format_exception(error))).splitlines():
            click.echo(clean(line), err=True)
    if isinstance(error, click.ClickException):
        return _usage(error, as_json=as_json)
    described = _described(error) or _unexpected(error)
    if as_json:
        _print_error(described)
    else:
        _explain(described)
    return exit_code(described["code"], described.get("status"))


def interrupted(*, as_json: bool) -> int:
    """Report Ctrl-C and return its exit code."""
    _print_error({"code": "interrupted", "detail": "Interrupted."}) if as_json else click.echo("Interrupted.", err=True)
    return Exit.INTERRUPTED


def _described(error: Exception) -> dict[str, Any] | None:
    from registry.client.errors import RegistryError

    if isinstance(error, RegistryError):
        known = {"code": error.code, "detail": error.detail, "status": error.status, "request_id": error.request_id}
        return {**error.extras, **{key: value for key, value in known.items() if value is not None}}
    if isinstance(error, FileNotFoundError) and error.filename is None and not _has_working_directory():
        return {
            "code": "os_error",
            "detail": "the working directory was removed. Change to another, or name all directories by absolute paths"
            " (--data-dir, --output)",
        }
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return {"code": "os_error", "detail": f"{where}{error.strerror or error}"}
    return None


def _has_working_directory() -> bool:
    try:
        return bool(os.getcwd())  # noqa: PTH109 -- Path.cwd() is the same
    except FileNotFoundError:
        return False


def _unexpected(error: Exception) -> dict[str, Any]:
    """Return a defect of ours."""
    kind, text = type(error).__name__, scrub(str(error))
    return {
        "code": "internal",
        "detail": f"unexpected {kind}: {text}. This is a defect of the registry command; "
        "run it again as registry --debug … and report what it shows",
    }


def _explain(described: Mapping[str, Any]) -> None:
    detail = str(described["detail"])
    gates = described.get("gates") if described["code"] == "gates_unmet" else None
    # The detail names the gates for callers that show nothing else. They are listed below it here.
    shown = detail.partition(" not met: ")[0] + " not met" if gates else detail
    click.echo(f"error: {clean(shown)}", err=True)
    for line in gate_lines.lines(gates or ()):
        click.echo(clean(line), err=True)
    for hint in _hints(described, detail):
        click.echo(f"  {clean(hint)}", err=True)
    if described.get("request_id") and described["code"] != "not_found":  # its detail has all that the log has
        click.echo(f"  request {clean(described['request_id'])}", err=True)


def _hints(described: Mapping[str, Any], detail: str) -> list[str]:
    """Return hints from the extras that the detail lacks."""
    hints = []
    allowed = described.get("allowed")
    if isinstance(allowed, list) and "llowed" not in detail:
        hints.append(f"Allowed: {', '.join(map(str, allowed)) or 'nothing'}.")
    if described["code"] == "stale" and "holder" in described and "holder" not in detail:
        holder = described["holder"]
        hints.append(f"The holder is {holder}." if holder else "No version holds it.")
    if isinstance(errors := described.get("errors"), Mapping):
        hints.extend(hint for hint in _fields(errors, "") if hint not in detail)
    if isinstance(missing := described.get("missing"), list):
        hints.extend(f"missing sha256 {sha256}" for sha256 in missing[:10])
    if described["code"] == "unauthenticated":
        hints.append("Log in: registry login. In CI: REGISTRY_TOKEN.")
    return hints


def _fields(errors: Any, prefix: str) -> list[str]:
    """Nested field errors as one line each: ``files.0.path: must be relative``."""
    if isinstance(errors, Mapping):
        return [line for key, value in errors.items() for line in _fields(value, f"{prefix}.{key}" if prefix else key)]
    if isinstance(errors, list):
        return [f"{prefix}: {text}" for text in errors]
    return [f"{prefix}: {errors}"]


def _usage(error: click.ClickException, *, as_json: bool) -> int:
    """Report a mistake in the command line. Click begins each of its choices with a tab."""
    if as_json:
        code = "usage" if isinstance(error, click.UsageError) else "error"
        _print_error({"code": code, "detail": error.format_message().replace("\n\t", " ")})
    else:
        buffer = io.StringIO()
        error.show(file=buffer)
        click.echo(lines(buffer.getvalue().replace("\n\t", " ")), err=True, nl=False)
    return error.exit_code


def _print_error(described: Mapping[str, Any]) -> None:
    click.echo(encoded({"error": described}), err=True)
