"""A seal over each alias that waits for its version, so that none is set that the service did not record.

Phase: expand
Safe with the previous release: yes, which does not use the table.
Locks: on PostgreSQL a short one of ``alias_requests``, which gets a column without a default.
Rollback: ``downgrade`` loses the seals.
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None
works_with = "0006"


def upgrade() -> None:
    op.add_column("alias_requests", sa.Column("seal", sa.String(length=80), nullable=True))


def downgrade() -> None:
    op.drop_column("alias_requests", "seal")
