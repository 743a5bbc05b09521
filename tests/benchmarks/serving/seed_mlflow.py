"""Fill MLflow's schema with the same catalogue, by SQL alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg

from tests.benchmarks.serving.catalogue import ALIAS, DESCRIPTION, EACH, Catalogue
from tests.benchmarks.serving.database import loading
from tests.benchmarks.serving.seeding import parts, run


def fill(
    connection: psycopg.Connection[tuple[Any, ...]], wanted: Catalogue, *, progress: Callable[[str], None]
) -> None:
    """Fill an empty registry with the catalogue, in MLflow's default workspace."""
    words = {"models": wanted.models, "each": EACH, "teams": wanted.teams, "alias": ALIAS, "described": DESCRIPTION}
    statements = parts("mlflow.sql")
    with loading(connection, list(statements)):
        for table, statement in statements.items():
            progress(f"MLflow's {table}")
            run(connection, statement, words)
