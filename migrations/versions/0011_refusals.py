"""Failed logins by address and token, which limit further ones, and refusals by the hour.

Phase: expand
Safe with the previous release: yes, which neither writes nor reads these tables.
Locks: none; it makes two tables.
Rollback: ``downgrade`` loses the counts.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None
works_with = "0006"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "login_failures",
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("period", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("failures", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "subject", "period", name="pk_login_failures"),
    )
    op.create_index("ix_login_failures_period", "login_failures", ["period"])
    op.create_table(
        "refusals",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("hour", INSTANT, nullable=False),
        sa.Column("actor_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("code", sa.String(length=32), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("last_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_refusals"),
    )
    op.create_index("ix_refusals_hour", "refusals", ["hour", "key"])


def downgrade() -> None:
    op.drop_index("ix_refusals_hour", "refusals")
    op.drop_table("refusals")
    op.drop_index("ix_login_failures_period", "login_failures")
    op.drop_table("login_failures")
