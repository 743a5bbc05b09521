"""The schema's way up and down, by several processes at once and through a crash, and the walls that it builds."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from registry.db import migrate, schema
from tests.support import forked_processes
from tests.support.artifact_area import ArtifactArea
from tests.support.databases import Database, empty_postgres
from tests.support.polling import eventually
from tests.support.processes import environment
from tests.support.registry_builder import RegistryBuilder

ROOT = Path(__file__).parents[2]
FROZEN = (
    "audit_checkpoints",
    "audit_entries",
    "audit_leaves",
    "lineage_digests",
    "lineage_edges",
    "lineage_nodes",
    "version_files",
    "version_metrics",
    "version_params",
)
KINDS = pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
# Upgrades in one process for each argument; a process dies before the statement that its argument says. Whoever is to
# die first has begun before the others start, and lingers until they have. Prints how each of them ended.
UPGRADES = """
import os, signal, sys, time, traceback
from sqlalchemy import Engine, event
from registry.db import migrate, schema

reached, reach = os.pipe()

def upgrade(url, left):
    def crash(*_):
        nonlocal left
        left -= 1
        if left == 0:
            os.write(reach, b".")
            if len(sys.argv) > 3:
                time.sleep(0.5)  # so that the others start before it dies
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(Engine, "before_cursor_execute", crash)
    migrate.upgrade(url)
    return 0

processes = []
for statement in map(int, sys.argv[2:]):
    if (process := os.fork()) == 0:
        status = 1
        try:
            status = upgrade(sys.argv[1], statement)
        except BaseException:
            traceback.print_exc()
        finally:
            os.write(reach, b"!")
            os._exit(status)
    if statement and not processes:
        os.read(reached, 1)
    processes.append(process)
print(*(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in processes))
"""
NEVER = 0
KILLED = -9


@pytest.fixture
def empty(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """The URL of a database without any table."""
    if kind == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    return empty_postgres(request.getfixturevalue("postgres_server"))


def upgrade_in_processes(url: str, *die_before: int) -> list[int]:
    """How each process ended that upgraded at the same time as the others; all end well or as they were to."""
    done = forked_processes.server().run("-c", UPGRADES, url, *map(str, die_before), cwd=ROOT, env=environment())
    assert done.returncode == 0, done.stderr
    ends = [int(status) for status in done.stdout.split()]
    assert set(ends) <= {0, KILLED}, done.stderr
    return ends


def tables(url: str) -> set[str]:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    return set(sa.inspect(engine).get_table_names())


def programs(url: str) -> list[Any]:
    """The functions and triggers that are left."""
    queries = {
        "sqlite": ["SELECT name FROM sqlite_master WHERE type IN ('trigger', 'index') AND sql IS NOT NULL"],
        "postgresql": [
            "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal",
            "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace",
            "SELECT typname FROM pg_type WHERE typnamespace = 'public'::regnamespace AND typname !~ 'alembic_version'",
        ],
    }
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        return [row[0] for query in queries[engine.dialect.name] for row in connection.exec_driver_sql(query)]


@KINDS
def test_an_upgrade_from_nothing_gives_the_schema_of_the_models(empty: str) -> None:
    migrate.upgrade(empty)

    assert schema.current(empty) == schema.head()
    assert migrate.check(empty) == []


@KINDS
def test_an_upgrade_may_be_repeated(empty: str) -> None:
    migrate.upgrade(empty)
    migrate.upgrade(empty)

    assert migrate.check(empty) == []


def test_no_way_down_is_open_while_a_version_has_no_manifest(database: Database, registry: RegistryBuilder) -> None:
    """The release before would take such a version for a ready one."""
    registry.model("fraud").version()
    with sa.create_engine(database.url, poolclass=sa.NullPool).begin() as connection:
        connection.exec_driver_sql("UPDATE versions SET manifest_digest = '', state = 'deleted'")

    with pytest.raises(RuntimeError, match="1 versions have no manifest"):
        migrate.downgrade(database.url, "0002")

    assert migrate.check(database.url) == []


def test_files_of_the_artifact_area_that_a_version_has_are_free_after_an_upgrade(
    app: Flask, database: Database, registry: RegistryBuilder
) -> None:
    artifact_area = ArtifactArea(app, registry.client.token)
    line = registry.file(b"registered")
    registry.model("fraud").version(files=[line])
    for path, content in {"a/registered": b"registered", "a/open": b"open"}.items():
        assert artifact_area.put(path, content).status_code == 200

    migrate.downgrade(database.url, "0012")
    migrate.upgrade(database.url)

    with sa.create_engine(database.url, poolclass=sa.NullPool).connect() as connection:
        rows = connection.execute(sa.text("SELECT path FROM artifacts WHERE registered_at IS NOT NULL")).all()
    assert [row.path for row in rows] == ["a/registered"]


@KINDS
def test_a_downgrade_to_base_leaves_nothing_and_the_way_up_is_open_again(empty: str) -> None:
    migrate.upgrade(empty)

    migrate.downgrade(empty, "base")

    assert tables(empty) == {"alembic_version"}
    assert programs(empty) == []
    assert schema.current(empty) is None
    migrate.upgrade(empty)
    assert migrate.check(empty) == []


@KINDS
def test_the_check_names_a_difference(empty: str) -> None:
    migrate.upgrade(empty)
    engine = sa.create_engine(empty, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE models ADD COLUMN colour TEXT")
        connection.exec_driver_sql("DROP INDEX uq_tenures_one_production")
        connection.exec_driver_sql("DROP INDEX ix_version_tags_value")

    problems = migrate.check(empty)

    assert any("colour" in problem for problem in problems)
    assert any("uq_tenures_one_production" in problem for problem in problems)
    assert any("ix_version_tags_value" in problem for problem in problems)


@KINDS
def test_the_check_misses_each_trigger_that_is_gone(empty: str, kind: str) -> None:
    migrate.upgrade(empty)
    engine = sa.create_engine(empty, poolclass=sa.NullPool)
    changes = ("update", "delete") if kind == "sqlite" else ("update", "delete", "truncate")
    triggers = {f"{table}_keep_{change}": table for table in FROZEN for change in changes}
    with engine.begin() as connection:
        for trigger, table in triggers.items():
            connection.exec_driver_sql(f"DROP TRIGGER {trigger}" + ("" if kind == "sqlite" else f" ON {table}"))

    problems = "\n".join(migrate.check(empty))

    assert [trigger for trigger in triggers if trigger not in problems] == []


@pytest.mark.parametrize("kind", ["postgresql"])
@pytest.mark.parametrize("means", ["DISABLE TRIGGER ALL", "ENABLE TRIGGER audit_entries_keep_update"])
def test_the_check_misses_a_trigger_that_does_not_always_fire(empty: str, means: str) -> None:
    migrate.upgrade(empty)
    engine = sa.create_engine(empty, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"ALTER TABLE audit_entries {means}")

    assert any("audit_entries_keep_update" in problem for problem in migrate.check(empty))


@KINDS
def test_four_processes_that_upgrade_at_once_all_succeed(empty: str) -> None:
    ends = upgrade_in_processes(empty, NEVER, NEVER, NEVER, NEVER)

    assert ends == [0] * 4
    assert migrate.check(empty) == []


@pytest.mark.parametrize("kind", ["sqlite"])
def test_an_upgrade_waits_while_another_process_switches_the_new_file_to_a_write_ahead_log(empty: str) -> None:
    """SQLite refuses the switch at once, whatever the ``busy_timeout``, while another connection may write."""
    other = sqlite3.connect(str(sa.make_url(empty).database), isolation_level=None)
    with ThreadPoolExecutor() as pool:
        with contextlib.closing(other):
            other.execute("BEGIN IMMEDIATE")
            upgrade = pool.submit(migrate.upgrade, empty)
            time.sleep(0.3)  # SQLite does not list who waits for its lock
        upgrade.result()

    assert migrate.check(empty) == []


@pytest.mark.fault("F43")
@KINDS
def test_an_upgrade_succeeds_while_two_others_are_killed(empty: str) -> None:
    ends = upgrade_in_processes(empty, 20, 50, NEVER)

    assert (ends[0], ends[-1]) == (KILLED, 0)
    assert migrate.check(empty) == []


@pytest.mark.fault("F43")
@KINDS
def test_an_upgrade_that_was_killed_anywhere_leaves_nothing_and_can_be_run_again(empty: str) -> None:
    for statement in (7, 60):
        assert upgrade_in_processes(empty, statement) == [KILLED]
        assert tables(empty) <= {"alembic_version"}

    migrate.upgrade(empty)

    assert migrate.check(empty) == []


@pytest.mark.parametrize("kind", ["postgresql"])
def test_an_upgrade_that_a_deadlock_with_a_request_undid_is_done_again(empty: str) -> None:
    migrate.upgrade(empty)
    migrate.downgrade(empty, "0009")  # the next one locks models, and a later one uploads
    engine = sa.create_engine(empty, poolclass=sa.NullPool)
    waits = "SELECT 1 FROM pg_locks WHERE relation = 'uploads'::regclass AND NOT granted"
    with ThreadPoolExecutor(1) as pool, engine.connect() as request:
        request.exec_driver_sql("SET deadlock_timeout = '1h'")  # so that it is the upgrade that is undone
        request.exec_driver_sql("LOCK TABLE uploads IN ROW EXCLUSIVE MODE")
        upgrade = pool.submit(migrate.upgrade, empty)
        eventually(
            lambda: request.exec_driver_sql(waits).first() or upgrade.done(), "the upgrade waits for the request"
        )
        assert not upgrade.done()
        request.exec_driver_sql("LOCK TABLE models IN ROW EXCLUSIVE MODE")
        request.rollback()
        upgrade.result(60)

    assert migrate.check(empty) == []


@pytest.mark.slow
def test_the_wheel_holds_the_migrations_and_the_server_configuration(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "uv", "build", "--wheel", "--quiet", "--out-dir", str(tmp_path), str(ROOT)]

    subprocess.run(command, check=True)

    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        names = set(wheel.namelist())
    shipped = {path.relative_to(ROOT / "migrations") for path in (ROOT / "migrations").rglob("*.py")}
    assert {f"registry/_migrations/{path}" for path in shipped} <= names
    assert {"registry/_migrations/script.py.mako", "registry/_deploy/gunicorn.conf.py"} <= names
    assert not [name for name in names if "tests" in name or "__pycache__" in name]
