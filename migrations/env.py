"""Run the migrations over the connection that ``registry.db.migrate`` hands in, all in one transaction."""

from alembic import context

from registry.db import compatibility
from registry.db.base import Base

LOCK = 0x6D6F64656C  # "model": one upgrade at a time on PostgreSQL; SQLite's BEGIN IMMEDIATE does the same
# A migration may wait for its turn, and may take longer than a request.
WAITS = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=Base.metadata, transactional_ddl=True)
with context.begin_transaction():
    if connection.dialect.name == "postgresql":
        for name in WAITS:
            connection.exec_driver_sql(f"SET LOCAL {name} = 0")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")
    context.run_migrations()
    compatibility.record(connection, context.script)
