"""Connections to PostgreSQL: settings, poolers, and errors of opening one."""

from __future__ import annotations

import re
from typing import Any

import psycopg
from sqlalchemy import URL, exc

SETTINGS = {
    "timezone": "UTC",
    "statement_timeout": "10000",
    # Below statement_timeout: otherwise a wait for a lock ends as a slow statement.
    "lock_timeout": "8000",
    # A process that hangs inside a transaction would hold its locks.
    "idle_in_transaction_session_timeout": "15000",
    # libpq doubles the backslashes of bytes otherwise, also in parameters, where the server does not take them back.
    "standard_conforming_strings": "on",
    "jit": "off",  # it takes longer to compile a search than to run it
}
# The kernel notices a server that vanished, even while no statement waits for an answer.
LINE = {
    "connect_timeout": 5,
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
}
ENCODING = "UTF8"
NOT_ALLOWED, NO_SCHEMA = "42501", "3F000"
# Errors of PostgreSQL and PgBouncer, and what to do about them.
_REMEDIES = (
    (r'database ".*" does not exist', "create it with CREATE DATABASE … ENCODING 'UTF8', or correct the name"),
    (r'no such database', "name it among the [databases] of PgBouncer, or correct the name"),
    (r'password authentication failed|role ".*" does not exist|no pg_hba\.conf entry|no such user',
     "correct user and password, or let that user in (pg_hba.conf)"),
    (r"unsupported startup parameter", "set ignore_startup_parameters = options in PgBouncer, and the timeouts with "
     "ALTER ROLE: deploy/docs/postgresql.md"),
    (r"permission denied for schema", "let the schema's owner GRANT CREATE, USAGE ON SCHEMA to this role, or connect "
     "as the owner"),
    (r"permission denied for database", "let the database's owner GRANT CONNECT ON DATABASE to this role"),
    (r"permission denied for", "give this role its rights: registry db upgrade --app-role NAME, as the tables' owner"),
    (r"no schema has been selected", "make the schema that the search_path of this role names (CREATE SCHEMA)"),
    (r"has the encoding", "create the database WITH ENCODING 'UTF8' TEMPLATE template0"),
    (r"resolve host|could not translate host", "correct the host name, or this machine's DNS"),
    (r"Connection refused|No such file or directory", "start the server, or correct host and port"),
    (r"timeout expired|timed out|No route to host|unreachable", "look at host and port, at the network between, and at "
     "its firewalls; another program may listen there"),
    (r"does not support SSL", "turn on ssl in the server, or leave sslmode out"),
    (r"certificate|root\.crt|SSL error", "let sslrootcert name the CA's certificate, and the address be a name "
     "that the server's certificate has: deploy/docs/postgresql.md"),
    (r"invalid response|expected authentication|server closed the connection", "look at the server's log; another "
     "program may listen there, such as one that wants TLS"),
)  # fmt: skip


def arguments(url: URL) -> dict[str, Any]:
    """Return the arguments of the driver's ``connect``. Options in *url* are kept: a later option wins."""
    settings = " ".join(f"-c {name}={value}" for name, value in SETTINGS.items())
    said = url.query.get("options", "")
    own = {"application_name": "model-registry", **LINE}
    return {"options": f"{settings} {said}".strip()} | {k: value for k, value in own.items() if k not in url.query}


def connect(
    make: type[psycopg.Connection[Any]], prepared: bool | None, arguments: list[Any], named: dict[str, Any]
) -> psycopg.Connection[Any]:
    """Open a connection; without prepared statements where *prepared* is false, or None and a pooler is between.

    Raises OperationalError as psycopg does, also for a database of another encoding than UTF-8.
    """
    connection = make.connect(*arguments, **named)
    try:
        _require_encoding(connection)
        if prepared is False or (prepared is None and has_pooler(connection)):
            connection.prepare_threshold = None
    except BaseException:
        connection.close()
        raise
    return connection


def has_pooler(connection: psycopg.Connection[Any]) -> bool:
    """Return whether a pooler is in between: its process id differs from that of the server process.

    Its transactions may each run in another server process, without statements that were prepared in another one.
    """
    connection.autocommit = True
    (answering,) = connection.execute("SELECT pg_backend_pid()", prepare=False).fetchone() or (0,)
    connection.autocommit = False
    return bool(answering != connection.info.backend_pid)


def explained(error: exc.DBAPIError, url: URL) -> str:
    """Return what is wrong with the database at *url*, with the remedy where it is known."""
    said = " ".join(str(error.orig).split())
    known = (text for pattern, text in _REMEDIES if re.search(pattern, said))
    remedy = next(known, "look at its server, and at the network between")
    return f"the database {place(url)} of REGISTRY_DATABASE_URL cannot be used: {said}: {remedy}"


def place(url: URL) -> str:
    """Return host, port and name of a database, without credentials."""
    host, port = url.query.get("host", url.host or ""), url.query.get("port", url.port or 5432)
    host = host if isinstance(host, str) else ",".join(host)
    return f"{host}:{port}/{url.database or ''}" if host else f"{url.database or ''}"


def is_known(error: exc.DBAPIError) -> bool:
    """Return whether the database lacks a right or a schema, which an operator can mend."""
    return getattr(error.orig, "sqlstate", None) in {NOT_ALLOWED, NO_SCHEMA}


def _require_encoding(connection: psycopg.Connection[Any]) -> None:
    encoding = (connection.pgconn.parameter_status(b"server_encoding") or b"").decode("ascii", "replace")
    if encoding and encoding != ENCODING:
        raise psycopg.OperationalError(f"the database {connection.info.dbname} has the encoding {encoding}")
