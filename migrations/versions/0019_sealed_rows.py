"""Seals over uploads, imports, blobs and kept replies, so that a row that the service did not write does nothing.

Phase: expand
Safe with the previous release: yes. It writes rows without a seal, and changes rows without sealing them again; they
count as sealed for a day after this migration, in a database that has a history.
Locks: on PostgreSQL a short one of each of the five tables, which get columns without a default.
Rollback: ``downgrade`` loses the seals, and which tokens asked for imports.
"""

from datetime import timedelta

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None
works_with = "0006"

SEALED = ("blobs", "idempotency_keys", "imports", "uploads")
INSTANT = sa.DateTime(timezone=True)
ROLLOUT = timedelta(days=1)  # in which the previous release may still serve, and its uploads and imports end


def upgrade() -> None:
    for table in SEALED:
        op.add_column(table, sa.Column("seal", sa.String(length=80), nullable=True))
    op.add_column("imports", sa.Column("token_id", sa.String(length=12), nullable=True))
    op.add_column("registry", sa.Column("unsealed_until", INSTANT, nullable=True))
    connection = op.get_bind()
    if connection.scalar(sa.text("SELECT 1 FROM audit_entries LIMIT 1")):
        now = connection.scalar(sa.select(sa.func.current_timestamp()))
        registry = sa.table("registry", sa.column("unsealed_until", INSTANT))
        op.execute(registry.update().values(unsealed_until=now + ROLLOUT))


def downgrade() -> None:
    op.drop_column("registry", "unsealed_until")
    op.drop_column("imports", "token_id")
    for table in reversed(SEALED):
        op.drop_column(table, "seal")
