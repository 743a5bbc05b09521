"""What was downloaded by whom, by the hour.

Phase: expand
Safe with the previous release: yes, which neither writes nor reads the table.
Locks: none; it makes a table.
Rollback: ``downgrade`` loses the counts.
"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None
works_with = "0006"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "downloads",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("hour", INSTANT, nullable=False),
        sa.Column("actor_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=True),
        sa.Column("way", sa.String(length=16), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("last_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_downloads"),
    )
    op.create_index("ix_downloads_hour", "downloads", ["hour", "key"])


def downgrade() -> None:
    op.drop_index("ix_downloads_hour", "downloads")
    op.drop_table("downloads")
