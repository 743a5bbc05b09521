"""Columns that can hold NULL where a value is unknown: a version's manifest, an upload's digest, a run's server.

Phase: expand. Earlier releases store "" there and read NULL wrongly, so this release still stores "", and reads both.
    The next release stores NULL and converts these rows (deploy/docs/contributing.md).
Safe with the previous release: yes; the rows stay as they are.
Locks: on PostgreSQL a short one of each of the three tables, of which no row is read. SQLite copies the columns.
Rollback: ``downgrade`` turns NULL into "" again; nothing is lost.
"""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None
works_with = "0006"

# Table, column, type, and the index with the column: SQLite cannot drop a column that an index has.
COLUMNS = (
    ("versions", "manifest_digest", sa.String(length=71),
     ("ix_versions_natural_key", ["model_id", "manifest_digest", "run_key"])),
    ("uploads", "sha256", sa.String(length=64), ("ix_uploads_sha256", ["sha256", "created_by"])),
    ("run_refreshes", "server", sa.Text(), None),
)  # fmt: skip


def upgrade() -> None:
    for table, column, kind, index in COLUMNS:
        if op.get_bind().dialect.name == "postgresql":
            op.alter_column(table, column, existing_type=kind, nullable=True)
        else:
            _replace(table, sa.Column(f"{column}_", kind, nullable=True), column, index)


def downgrade() -> None:
    for table, column, kind, index in COLUMNS:
        op.execute(sa.text(f"UPDATE {table} SET {column} = '' WHERE {column} IS NULL"))
        if op.get_bind().dialect.name == "postgresql":
            op.alter_column(table, column, existing_type=kind, nullable=False)
        else:
            _replace(table, sa.Column(f"{column}_", kind, nullable=False, server_default=""), column, index)


def _replace(table: str, new: sa.Column[str], column: str, index: tuple[str, list[str]] | None) -> None:
    """Put *new* in place of *column*, with its values: SQLite changes no column.

    A copy of the whole table, as Alembic makes it, would delete the rows that other tables refer to.
    """
    op.add_column(table, new)
    op.execute(sa.text(f"UPDATE {table} SET {new.name} = {column}"))
    if index is not None:
        op.drop_index(index[0], table)
    op.drop_column(table, column)
    op.execute(sa.text(f"ALTER TABLE {table} RENAME COLUMN {new.name} TO {column}"))
    if index is not None:
        op.create_index(index[0], table, index[1])
