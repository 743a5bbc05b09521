"""``registry serve`` and ``registry worker``: the service's two processes."""

from __future__ import annotations

from typing import Any

import click

from registry.cli.support import server


@click.command()
@server.settings
@click.option("--bind", metavar="HOST:PORT", help="Where to listen. [default: 127.0.0.1:5000]")
@click.option("--host", metavar="HOST", help="The host of --bind alone.")
@click.option("--port", type=click.IntRange(1, 65_535), metavar="PORT", help="The port of --bind alone.")
@click.option("--workers", type=click.IntRange(1, 64), help="Processes. [default: 2, with SQLite 1]")
@click.option("--threads", type=click.IntRange(1, 256), help="Threads of each process. [default: 8]")
def serve(
    workers: int | None, threads: int | None, bind: str | None, host: str | None, port: int | None, **overrides: Any
) -> None:
    """Run the registry's HTTP service. Its settings are REGISTRY_* variables.

    With --dev it needs nothing else: SQLite and a directory of files under --data-dir, no login, this machine only.

    On SIGTERM it continues to serve for REGISTRY_DRAIN_SECONDS while /readyz is 503; a second SIGTERM ends the wait.

    \b
    Example:
      registry serve --dev
      registry serve --bind 0.0.0.0:5000 --workers 4
      registry serve --host 0.0.0.0 --port 8080
    """
    if bind and (host or port):
        raise click.UsageError("Give --bind, or --host and --port, not both.")
    settings = server.load(bind=bind, host=host, port=port, **overrides)
    with server.installed():
        from registry.serve import run
    with server.refusals():
        run(settings, workers=workers, threads=threads)


@click.command()
@server.settings
@click.option("--once", is_flag=True, help="Do what is due, then stop.")
def worker(once: bool, **overrides: Any) -> None:
    """Run the registry's background work; any number of workers share it.

    It seals the audit log, verifies large uploads, fetches imports, and closes uploads that expired. It also reads the
    bytes of production versions again, and collects unreferenced objects.

    \b
    Example:
      registry worker
      registry worker --once
    """
    with server.application(**overrides) as app:
        from registry.telemetry import line_writer
        from registry.worker import run

        if not once:
            line_writer.take_over()
        run(app, once=once)
