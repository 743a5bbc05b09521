"""The name of the dataset that a value was measured on, and an index to find values by their dataset.

Phase: expand
Safe with the previous release: yes, which writes rows without a name. Its ``audit verify`` reports metrics that were
    recorded with a name.
Locks: on PostgreSQL an exclusive lock on ``version_metrics`` for an instant, for a column that may be empty; a share
    lock while the index is built, which holds only rows that name a dataset.
Rollback: ``downgrade`` loses the names; ``audit verify`` then reports the metrics that were recorded with one.
"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None
works_with = "0006"

MEASURED = sa.text("dataset_digest IS NOT NULL")


def upgrade() -> None:
    op.add_column("version_metrics", sa.Column("dataset_name", sa.String(length=500), nullable=True))
    op.create_index(
        "ix_version_metrics_dataset",
        "version_metrics",
        ["dataset_digest", "key", "value"],
        sqlite_where=MEASURED,
        postgresql_where=MEASURED,
    )


def downgrade() -> None:
    op.drop_index("ix_version_metrics_dataset", "version_metrics")
    op.drop_column("version_metrics", "dataset_name")
