"""How often each background job was begun, and when it was given up for an operator to look at.

Phase: expand
Safe with the previous release: yes. Its workers count nothing and take parked jobs up, as they did before.
Locks: on PostgreSQL an exclusive lock on ``uploads``, ``imports`` and ``artifacts`` each, without a rewrite, and a
    share lock while the empty partial indexes are built: a scan of each table.
Rollback: ``downgrade`` drops the columns; parked jobs are taken up again.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None
works_with = "0006"

INSTANT = sa.DateTime(timezone=True)
TABLES = ("uploads", "imports", "artifacts")
PARKED = sa.text("parked_at IS NOT NULL")


def upgrade() -> None:
    for table in TABLES:
        op.add_column(table, sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"))
        op.add_column(table, sa.Column("parked_at", INSTANT, nullable=True))
        op.add_column(table, sa.Column("parked_reason", sa.Text(), nullable=True))
        op.create_index(f"ix_{table}_parked", table, ["parked_at"], sqlite_where=PARKED, postgresql_where=PARKED)


def downgrade() -> None:
    for table in TABLES:
        op.drop_index(f"ix_{table}_parked", table)
        for column in ("parked_reason", "parked_at", "attempts"):
            op.drop_column(table, column)
