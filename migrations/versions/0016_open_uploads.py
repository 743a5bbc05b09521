"""An index over the open uploads of each account, which its quota counts.

Phase: expand
Safe with the previous release: yes, which has no quota.
Locks: on PostgreSQL a share lock on ``uploads`` while the index over the open ones is built: a scan of the table.
Rollback: ``downgrade`` drops it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None
works_with = "0006"

OPEN = sa.text("state = 'pending'")


def upgrade() -> None:
    op.create_index(
        "ix_uploads_open", "uploads", ["created_by", "expires_at", "size"], sqlite_where=OPEN, postgresql_where=OPEN
    )


def downgrade() -> None:
    op.drop_index("ix_uploads_open", "uploads")
