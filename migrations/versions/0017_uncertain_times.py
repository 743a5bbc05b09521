"""Spans of time in which entries of a chain bear times that a wrong clock gave them.

Phase: expand
Safe with the previous release: yes, which does not look at it, and answers about such spans as before.
Locks: none; it makes one table.
Rollback: ``downgrade`` loses the spans: answers about the past of those models may name a wrong holder again.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import sqlite

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None
works_with = "0006"

INSTANT = sa.DateTime(timezone=True)
SERIAL = sa.BigInteger().with_variant(sqlite.INTEGER(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "uncertain_times",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("aggregate", sa.String(length=64), nullable=False),
        sa.Column("model_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("since", INSTANT, nullable=False),
        sa.Column("until", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name="fk_uncertain_times_model_id"),
        sa.PrimaryKeyConstraint("id", name="pk_uncertain_times"),
    )
    op.create_index("ix_uncertain_times_aggregate", "uncertain_times", ["aggregate", "until"])
    op.create_index("ix_uncertain_times_model_id", "uncertain_times", ["model_id"])


def downgrade() -> None:
    op.drop_index("ix_uncertain_times_model_id", "uncertain_times")
    op.drop_index("ix_uncertain_times_aggregate", "uncertain_times")
    op.drop_table("uncertain_times")
