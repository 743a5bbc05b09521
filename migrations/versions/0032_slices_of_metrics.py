"""The slice of the dataset that a value was measured on; empty for the whole dataset.

Phase: expand
Safe with the previous release: yes, which writes values of whole datasets. Its answers show values of slices as values
    of their dataset, and its ``audit verify`` reports their entries, so wait with them until its servers are gone.
Locks: on PostgreSQL an exclusive lock on ``version_metrics`` for an instant, for a column whose default needs no rows
    to be written; a share lock while the index is built, which holds only rows that name a dataset.
Rollback: ``downgrade`` loses the slices: their values become values of the whole dataset, and ``audit verify`` reports
    them.
"""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None
works_with = "0006"

TABLE = "version_metrics"
BEFORE, AFTER = "ix_version_metrics_dataset", "ix_version_metrics_slice"
MEASURED = sa.text("dataset_digest IS NOT NULL")


def upgrade() -> None:
    op.add_column(TABLE, sa.Column("slice", sa.String(length=200), server_default="", nullable=False))
    _index(AFTER, ["dataset_digest", "key", "slice", "value"])
    op.drop_index(BEFORE, TABLE)


def downgrade() -> None:
    _index(BEFORE, ["dataset_digest", "key", "value"])
    op.drop_index(AFTER, TABLE)
    op.drop_column(TABLE, "slice")


def _index(name: str, columns: list[str]) -> None:
    op.create_index(name, TABLE, columns, sqlite_where=MEASURED, postgresql_where=MEASURED)
