"""Which files of a source an import left out by default.

Phase: expand
Safe with the previous release: yes, which neither writes nor reads the column.
Locks: on PostgreSQL a short one of the table, which gets a column without a default.
Rollback: ``downgrade`` loses the lists.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None
works_with = "0006"


def upgrade() -> None:
    document = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
    op.add_column("imports", sa.Column("ignored", document, nullable=True))


def downgrade() -> None:
    op.drop_column("imports", "ignored")
