"""A PostgreSQL database that lacks something: one line with the remedy; and what the URL itself says is kept."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from sqlalchemy.engine import URL, make_url

from registry.cli.main import cli
from tests.conftest import SECRET
from tests.support.databases import empty_postgres


@pytest.fixture
def url(postgres_server: str) -> Iterator[URL]:
    """A database without any table, which is dropped afterwards."""
    made = make_url(empty_postgres(postgres_server))
    yield made
    sql(postgres_server, f'DROP DATABASE IF EXISTS "{made.database}" WITH (FORCE)')


@pytest.fixture
def role(postgres_server: str, url: URL) -> Iterator[str]:
    """A role that may connect, and nothing else."""
    name = f"role_{uuid.uuid4().hex[:12]}"
    sql(postgres_server, f'CREATE ROLE "{name}" LOGIN')
    yield name
    sql(shown(url), f'DROP OWNED BY "{name}"; DROP ROLE "{name}"')


@pytest.fixture
def run_cli(tmp_path: Path) -> Callable[..., Result]:
    def run(*arguments: str, url: URL) -> Result:
        variables = {
            "REGISTRY_DATABASE_URL": shown(url),
            "REGISTRY_SECRET_KEY": SECRET,
            "REGISTRY_DATA_DIR": str(tmp_path),
        }
        return CliRunner().invoke(cli, arguments, env=variables)

    return run


def shown(url: URL) -> str:
    return url.render_as_string(hide_password=False)


def sql(url: str, statements: str) -> list[str]:
    """Run statements one by one; the first column of what the last one found."""
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        for statement in statements.split("; "):
            found = connection.exec_driver_sql(statement)
        return [str(row[0]) for row in found] if found.returns_rows else []


def refusal(done: Result) -> str:
    """The one line of an error."""
    assert done.exit_code == 8, done.output
    assert isinstance(done.exception, SystemExit)
    (line,) = done.stderr.splitlines()
    return line


def test_what_the_url_says_is_kept(url: URL, run_cli: Callable[..., Result]) -> None:
    sql(shown(url), "CREATE SCHEMA mlreg")
    own = url.update_query_dict(
        {"options": "-c search_path=mlreg -c statement_timeout=7000", "application_name": "mine"}
    )

    upgraded, checked = run_cli("db", "upgrade", url=own), run_cli("db", "check", url=own)
    lacking = run_cli("db", "check", url=url)

    assert (upgraded.exit_code, checked.exit_code) == (0, 0), upgraded.output + checked.output
    tables = "SELECT DISTINCT table_schema FROM information_schema.tables WHERE table_schema IN ('public', 'mlreg')"
    assert sql(shown(url), tables) == ["mlreg"]
    assert lacking.exit_code == 1
    assert "at no revision" in lacking.output


def test_a_role_that_may_not_create_tables_is_refused_with_the_grant_that_it_needs(
    url: URL, role: str, run_cli: Callable[..., Result]
) -> None:
    sql(shown(url), "REVOKE CREATE ON SCHEMA public FROM PUBLIC")

    assert "GRANT CREATE, USAGE ON SCHEMA" in refusal(run_cli("db", "upgrade", url=url.set(username=role)))


def test_a_role_without_rights_is_refused_with_the_grants_that_it_needs(
    url: URL, role: str, run_cli: Callable[..., Result]
) -> None:
    assert run_cli("db", "upgrade", url=url).exit_code == 0

    assert "registry db upgrade --app-role NAME" in refusal(run_cli("db", "check", url=url.set(username=role)))


def test_a_search_path_without_a_schema_is_named(url: URL, run_cli: Callable[..., Result]) -> None:
    lost = url.update_query_dict({"options": "-c search_path=nowhere"})

    assert "CREATE SCHEMA" in refusal(run_cli("db", "upgrade", url=lost))


def test_a_database_that_is_not_there_is_named(url: URL, run_cli: Callable[..., Result]) -> None:
    line = refusal(run_cli("db", "upgrade", url=url.set(database="lost")))

    assert 'database "lost" does not exist: create it' in line


@pytest.mark.parametrize("command", [("db", "upgrade"), ("db", "check"), ("doctor",)], ids=" ".join)
def test_an_encoding_that_cannot_hold_every_text_is_refused(
    postgres_server: str, run_cli: Callable[..., Result], command: tuple[str, ...]
) -> None:
    name = f"ascii_{uuid.uuid4().hex[:12]}"
    sql(postgres_server, f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'")

    done = run_cli(*command, url=make_url(postgres_server).set(database=name))

    sql(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")
    assert done.exit_code == 8
    assert isinstance(done.exception, SystemExit)
    assert f"the database {name} has the encoding SQL_ASCII" in done.output
    assert "WITH ENCODING 'UTF8'" in done.output
