"""How gunicorn runs the service: one process group, threads inside each worker, limits before any of our code.

`registry serve` starts gunicorn with this file. It reads what concerns the process from the environment (where to
listen, how many workers and threads, how log lines look) and nothing else: the application's settings are read by the
application.
"""

import dataclasses
import json
import logging
import os
import select
from datetime import UTC, datetime
from typing import Any

from registry.config import Settings, readers
from registry.telemetry import line_writer, processes
from registry.telemetry.scrubbing import scrub

DEFAULTS = {setting.name: setting.default for setting in dataclasses.fields(Settings)}


def _number(name: str, default: int | None = None, *, least: int = 1) -> int:
    """Return the setting *name* as a number of *least* or more; RuntimeError says which variable is wrong."""
    variable = f"REGISTRY_{name.upper()}"
    text = os.environ.get(variable) or str(DEFAULTS[name] if default is None else default)
    if not (text.isascii() and text.isdigit() and int(text) >= least):
        raise RuntimeError(f"{variable} must be a whole number of {least} or more, not {text!r}")
    return int(text)


class JsonLine(logging.Formatter):
    """Write a log record as one JSON object a line, with the keys of the application's own lines."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "event": scrub(record.getMessage()),
            "level": record.levelname.lower(),
            "logger": record.name,
            "pid": record.process,
            "timestamp": datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        }
        if record.exc_info:
            line["exception"] = scrub(self.formatException(record.exc_info))
        return json.dumps(line)


class PlainLine(logging.Formatter):
    """Write a log record as text."""

    def format(self, record: logging.LogRecord) -> str:
        return scrub(super().format(record))


# Loopback unless told otherwise: a service that holds credentials is not put on every interface by a default.
bind = os.environ.get("REGISTRY_BIND") or DEFAULTS["bind"]

# Two workers, so that one of them can crash or be replaced while the other serves. Requests wait for the database and
# the object store far more than for the processor, which is what the threads are for.
workers = _number("workers")
threads = _number("threads")

# Slow clients must not take the threads: the loop of this worker reads each request before a thread gets it, keeps the
# deadlines, and leaves only a share of the threads to uploads and downloads. Elsewhere than on Linux, which is for
# development only, gunicorn's own threaded worker serves without any of that.
worker_class: Any = "gthread"
if hasattr(select, "epoll"):
    from registry.front import limits, worker

    worker_class = worker.make(
        limits.Limits(
            header_seconds=_number("header_seconds"),
            stall_seconds=_number("stall_seconds"),
            transfers=_number("transfers", readers.transfers({"threads": threads})),
        )
    )

# Each worker imports the application itself. With preload the connection pools and client sessions would exist before
# the fork, and two workers would then write to one socket. Broken settings still stop the start: gunicorn ends with
# status 3 when its first workers cannot boot.
preload_app = False

# After SIGTERM everything is served as before for so many seconds, but /readyz answers 503: load balancers have noticed
# when the listener closes. A second SIGTERM ends the wait; SIGINT and SIGQUIT stop at once. Under systemd say
# KillMode=mixed: the signal is for the master alone.
drain_seconds = _number("drain_seconds", least=0)

# Then a worker takes no new request and has this long for those it already holds. It is longer than a request should
# ever take. An orchestrator's own grace period must be longer than both together.
graceful_timeout = 30

# The workers count together, in a directory that has to be named before they import the application.
try:
    processes.prepare()
except RuntimeError as error:
    raise SystemExit(f"Error: {error}") from error  # gunicorn shows a traceback of any other exception


def when_ready(server: Any) -> None:
    """Called in the master when it listens."""
    processes.drain_first(
        drain_seconds, announce=lambda: server.log.info("Draining for %s s: /readyz says no", drain_seconds)
    )


def post_fork(server: Any, worker: Any) -> None:
    """Called in a new worker: what it prints takes the way of the log lines, without secrets and without waiting."""
    line_writer.take_over()


def worker_exit(server: Any, worker: Any) -> None:
    """Called in a worker as its last act."""
    line_writer.writer.flush()


def child_exit(server: Any, worker: Any) -> None:
    """Called in the master when a worker has ended, however that came."""
    processes.bury()
    if shares := getattr(worker, "shares", None):
        shares.leave(worker.age)


def on_exit(server: Any) -> None:
    """Called in the master as its last act."""
    processes.discard()
    line_writer.writer.flush()


# A worker that gives no sign of life for this long is replaced. With threads the sign comes from the main loop, so this
# finds a hung process; it does not end a slow request, for which the timeouts of the database and the store exist.
timeout = 30

# Longer than the 60 s after which common load balancers close an idle connection. If the server closed first, the
# balancer would now and then send a request into a closing connection and answer 502. An idle connection costs one
# place and no thread, gives way when all places are taken, and is closed early on SIGTERM.
keepalive = 75
worker_connections = 1000

# The worker limits the request line itself, to 48 KiB: MLflow's clients send filters with lists of run ids there. 8190
# is the most that gunicorn allows without removing its own limit, which remains for its own worker.
limit_request_line = 8190 if worker_class == "gthread" else 0
limit_request_fields = 100
limit_request_field_size = 8190

# Nobody is trusted to set the scheme, the script name or the path through headers, not even a neighbour on loopback
# (gunicorn's default, which an environment variable could widen as well). Which proxies to believe is the application's
# setting, and it decides there.
forwarded_allow_ips = ""
forwarder_headers = ""
secure_scheme_headers: dict[str, str] = {}

# The limits and refusals of this service are tested with this parser; an installed accelerator must not change them.
http_parser = "python"

# By default gunicorn opens a socket in the home directory through which workers can be changed. Nothing here uses it,
# and under a read-only root it has no place.
control_socket_disable = True

# The heartbeat file belongs in memory: on a slow disk its fchmod can block a worker until it is taken for dead, and the
# root file system may be read-only. Where the memory's file system is full, a disk has to do.
worker_tmp_dir = str(memory) if (memory := processes.memory()) else None

proc_name = "registry"

# The application logs each request itself, with the request id; a second line for the same request would only cost.
accesslog = None

# gunicorn's own lines (start, stop, a worker lost) go to standard error in the format of the application's lines. They
# are formatted here, because the master process writes most of them and never imports the application. A full disk or
# a log reader that hangs must not stop the master either: its lines are queued as all others are. The empty root leaves
# the root logger as the application configured it; gunicorn would replace its handlers otherwise.
errorlog = "-"
logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "root": {},
    "formatters": {
        "json": {"()": JsonLine},
        "console": {"()": PlainLine, "fmt": "%(asctime)s [%(process)d] %(levelname)s %(message)s"},
    },
    "handlers": {
        "stderr": {
            "class": "registry.telemetry.line_writer.LineHandler",
            "formatter": "console" if os.environ.get("REGISTRY_LOG_FORMAT") == "console" else "json",
        },
    },
    "loggers": {"gunicorn.error": {"handlers": ["stderr"], "propagate": False}},
}
