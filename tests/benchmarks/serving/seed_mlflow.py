"""Fill MLflow's schema with the same catalogue, by SQL alone."""

from __future__ import annotations

from collections.abc import Callable

from tests.benchmarks.serving.catalogue import ALIAS, DESCRIPTION, EACH, Catalogue
from tests.benchmarks.serving.database import Database, Loader
from tests.benchmarks.serving.seeding import filled, parts


def fill(database: Database, wanted: Catalogue, *, progress: Callable[[str], None]) -> None:
    """Fill an empty registry with the catalogue, in MLflow's default workspace."""
    words = {"models": wanted.models, "each": EACH, "teams": wanted.teams, "alias": ALIAS, "described": DESCRIPTION}
    jobs = {table: filled(statement, words) for table, statement in parts("mlflow.sql").items()}
    loader = Loader(database, list(jobs), progress)
    loader.run(jobs)
    loader.finish()
