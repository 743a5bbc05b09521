"""Declarations of the settings that the command line and the Python client read, and the service does not."""

from __future__ import annotations

from registry.config.declarations import Declaration
from registry.config.environment import variable

CLIENT_SETTINGS = {
    "url": Declaration(
        None,
        "the user's `config.toml`, `.registry.toml`, `http://127.0.0.1:5000`",
        "the registry",
    ),
    "token": Declaration(
        None,
        "the token saved by `registry login`",
        "the API token; `REGISTRY_TOKEN_FILE` names a file with it",
    ),
    "insecure": Declaration(
        None,
        "`false`",
        "send the token over plain HTTP to another machine",
    ),
    "ca_file": Declaration(
        None,
        "none",
        "trust [a private CA](certificates.md) too",
    ),
    "retry_seconds": Declaration(
        None,
        "60 in CI, 10 elsewhere",
        "how long a command waits for a registry that restarts; 0: no waiting",
    ),
    "log_verifier_keys": Declaration(
        None,
        "none",
        "keys of the audit log, separated by spaces, that `registry audit verify` and `watch` [trust](audit.md#verify)",
    ),
    "database_app_role": Declaration(
        None,
        "none",
        "read by `registry db upgrade`: [the service's role on PostgreSQL](audit.md#two-roles-on-postgresql)",
    ),
    "database_app_password": Declaration(
        None,
        "none",
        "as above: creates the role with this password where it does not exist",
    ),
    "database_sealer_role": Declaration(
        None,
        "none",
        "as above: [the role as which workers connect](audit.md#two-roles-on-postgresql), which alone may seal",
    ),
    "database_sealer_password": Declaration(
        None,
        "none",
        "as above: creates that role with this password where it does not exist",
    ),
}
CLIENT_VARIABLES = frozenset(map(variable, CLIENT_SETTINGS))
